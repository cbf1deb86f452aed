//! Zips of code, as clients send them.

use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zip::write::{SimpleFileOptions, ZipWriter};

/// The `value` of `/init` for a zip with these files.
pub fn init(main: &str, files: &[(&str, &str)]) -> Value {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    json!({"name": "test", "main": main, "code": STANDARD.encode(bytes), "binary": true})
}
