//! What actions exist: the local catalogue in LMDB.
