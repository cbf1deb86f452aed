//! The REST API: tide routes, one file per OpenWhisk resource.
