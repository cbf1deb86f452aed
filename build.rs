//! Prepares what the compiler does not: the API's descriptions, and where the linker puts code.

#[path = "build/descriptions.rs"]
mod descriptions;
#[path = "build/seldom.rs"]
mod seldom;

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    descriptions::deflate(&out)?;
    seldom::place(&out)
}
