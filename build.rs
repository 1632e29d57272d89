//! Before the crate is compiled: makes of `src/api/openapi.json`, which people read and write, what is embedded: the same
//! document without white space.

use std::{env, error::Error, fs, path::PathBuf};

/// Where the document stands.
const DOCUMENT: &str = "src/api/openapi.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let document: serde_json::Value = serde_json::from_slice(&fs::read(DOCUMENT)?)?;
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    Ok(fs::write(folder.join("openapi.json"), document.to_string())?)
}
