//! Deflates the API's descriptions, so that they take a tenth of their size in the binary.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

pub fn deflate(out: &Path) -> Result<(), Box<dyn Error>> {
    for name in ["api.json", "server.json"] {
        let source = Path::new("src/api/docs").join(name);
        println!("cargo::rerun-if-changed={}", source.display());
        let file = File::create(out.join(name).with_extension("json.z"))?;
        let mut encoder = ZlibEncoder::new(file, Compression::best());
        std::io::copy(&mut File::open(source)?, &mut encoder)?;
        encoder.finish()?;
    }
    Ok(())
}
