//! Short names between the wasm and its glue: wasm-bindgen's carry hashes, which no compression takes away.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Applies the renaming that `wasm-opt --minify-imports-and-exports-and-modules` printed to the glue.
pub fn glue(path: &Path, renamed: &str) -> Result<()> {
    let names = Names::read(renamed).context("wasm-opt printed no renaming that can be read")?;
    let text = std::fs::read_to_string(path)?;
    Ok(std::fs::write(path, names.apply(&text)?)?)
}

#[derive(Default)]
struct Names {
    modules: HashMap<String, String>,
    imports: HashMap<String, String>,
    exports: HashMap<String, String>,
}

impl Names {
    fn read(renamed: &str) -> Option<Names> {
        let renamed: Value = serde_json::from_str(renamed).ok()?;
        let mut names = Names::default();
        for import in renamed["imports"].as_array()? {
            // wasm-opt calls every module "a".
            names.modules.insert(import[0].as_str()?.into(), "a".into());
            names.imports.insert(import[1].as_str()?.into(), import[2].as_str()?.into());
        }
        for export in renamed["exports"].as_array()? {
            names.exports.insert(export[0].as_str()?.into(), export[1].as_str()?.into());
        }
        Some(names)
    }

    fn apply(&self, glue: &str) -> Result<String> {
        let mut out = String::with_capacity(glue.len());
        let mut rest = glue;
        let mut found = 0;
        let in_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '$';
        while let Some(start) = rest.find(in_word) {
            out.push_str(&rest[..start]);
            let word = rest[start..].split(|letter| !in_word(letter)).next().unwrap_or_default();
            let short = if out.ends_with("wasm.") { self.exports.get(word) } else { self.imports.get(word) };
            found += usize::from(short.is_some());
            out.push_str(short.map_or(word, String::as_str));
            rest = &rest[start + word.len()..];
        }
        out.push_str(rest);
        if found < self.imports.len() {
            bail!("the glue names fewer imports than the wasm: wasm-bindgen writes it another way now");
        }
        for (module, short) in &self.modules {
            out = out.replace(&format!("\"{module}\""), &format!("\"{short}\""));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_imports_exports_and_modules() {
        let renamed =
            r#"{"imports":[["./x_bg.js","__wbg_now_46","A"]],"exports":[["burst","T"],["memory","S"]]}"#;
        let glue = r#"imports = {"./x_bg.js": {__wbg_now_46: function() {}}}; function burst(a) { wasm.burst(a); wasm.memory.buffer; }"#;
        let expected =
            r#"imports = {"a": {A: function() {}}}; function burst(a) { wasm.T(a); wasm.S.buffer; }"#;
        assert_eq!(Names::read(renamed).unwrap().apply(glue).unwrap(), expected);
    }
}
