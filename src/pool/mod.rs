//! Which sandbox runs what: a pure state machine and the driver that carries its decisions out.
