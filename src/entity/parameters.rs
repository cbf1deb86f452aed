//! Parameters and annotations (reference section 2.1).

use serde_json::value::RawValue;

/// One parameter or annotation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// Its value, exactly as it was sent.
    pub value: Box<RawValue>,
    /// Delivered at `/init` as an environment variable instead of at `/run`.
    pub init: bool,
}

/// An ordered set of parameters: keys are unique, the last one sent wins.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub Vec<Parameter>);
