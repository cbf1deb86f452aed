//! One `Config`: flags over environment over defaults.
