//! The documents' code, so that tests run what people paste.

use anyhow::{Context, Result, ensure};

use crate::root;

/// The code block that follows the line `<!-- tested: NAME -->` in docs/getting-started.md.
pub fn readme_block(name: &str) -> Result<String> {
    document_block("docs/getting-started.md", name)
}

/// The same of another document.
pub fn document_block(document: &str, name: &str) -> Result<String> {
    block(&std::fs::read_to_string(root().join(document))?, name).with_context(|| document.to_string())
}

fn block(markdown: &str, name: &str) -> Result<String> {
    let mark = format!("<!-- tested: {name} -->");
    let mut lines = markdown.lines().skip_while(|line| *line != mark).skip(1);
    let fence = lines.next().with_context(|| format!("there is no line `{mark}`"))?;
    ensure!(fence.starts_with("```"), "a code block follows `{mark}`, not `{fence}`");
    let code: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    Ok(code.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_mark() {
        let markdown = "```ts\nother\n```\n<!-- tested: a.ts -->\n```ts\none\n\ntwo\n```\nthree\n";
        assert_eq!(block(markdown, "a.ts").unwrap(), "one\n\ntwo\n");
        assert!(block(markdown, "b.ts").unwrap_err().to_string().contains("tested: b.ts"));
        assert!(block("<!-- tested: a.ts -->\nno fence\n", "a.ts").is_err());
    }
}
