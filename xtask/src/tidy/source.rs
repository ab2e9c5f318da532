//! Source text without its comments and strings, and the identifiers in it. It knows as much of the languages as that
//! takes: an odd text may be read wrongly to the end of its line, and no further.

/// The parts of a source text that are kept.
#[derive(Clone, Copy, PartialEq)]
pub enum Keep {
    Code,
    CodeAndStrings,
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    Rust,
    Script,
    Python,
}

fn language(path: &str) -> Option<Language> {
    match path.rsplit_once('.')?.1 {
        "rs" => Some(Language::Rust),
        "ts" | "tsx" | "js" | "jsx" | "mjs" => Some(Language::Script),
        "py" => Some(Language::Python),
        _ => None,
    }
}

pub fn is_source(path: &str) -> bool {
    language(path).is_some()
}

/// The text with spaces in place of what is not kept, so that lines and columns stay.
pub fn mask(path: &str, text: &str, keep: Keep) -> String {
    let Some(language) = language(path) else { return text.into() };
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_kept) = match token(rest, language) {
            Token::Comment(length) => (length, false),
            Token::String(length) => (length, keep == Keep::CodeAndStrings),
            Token::Other => (first.len_utf8(), true),
        };
        let (token, after) = rest.split_at(length);
        let space = |c: char| if c == '\n' { '\n' } else { ' ' };
        masked.extend(token.chars().map(|c| if is_kept { c } else { space(c) }));
        rest = after;
    }
    masked
}

enum Token {
    Comment(usize),
    String(usize),
    Other,
}

/// The comment or string that a text begins with.
fn token(text: &str, language: Language) -> Token {
    let until =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    let line = || text.find('\n').unwrap_or(text.len());
    match language {
        Language::Python if text.starts_with('#') => return Token::Comment(line()),
        Language::Python => {
            for quotes in ["\"\"\"", "'''"] {
                if text.starts_with(quotes) {
                    return Token::String(until(3, quotes));
                }
            }
        }
        _ if text.starts_with("//") => return Token::Comment(line()),
        _ if text.starts_with("/*") => return Token::Comment(until(2, "*/")),
        Language::Rust => {
            let hashes =
                text.strip_prefix('r').map(|after| after.bytes().take_while(|byte| *byte == b'#').count());
            if let Some(hashes) = hashes
                && text[1 + hashes..].starts_with('"')
            {
                return Token::String(until(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
            }
        }
        Language::Script => {}
    }
    match text.as_bytes().first() {
        Some(b'"') => Token::String(quoted(text, '"', language == Language::Rust)),
        Some(b'\'') if language == Language::Rust => character(text),
        Some(b'\'') => Token::String(quoted(text, '\'', false)),
        Some(b'`') if language == Language::Script => Token::String(quoted(text, '`', true)),
        _ => Token::Other,
    }
}

/// The length of a string. Where it may not have several lines, a line that ends it is taken for its end.
fn quoted(text: &str, quote: char, has_lines: bool) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' if !has_lines => return at,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// A character of Rust, such as `'"'`; anything else is a lifetime.
fn character(text: &str) -> Token {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => Token::String(quoted(text, '\'', false)),
        (Some(_), Some((at, '\''))) => Token::String(at + 1),
        _ => Token::Other,
    }
}

/// The identifiers of a line, each with its place.
pub fn identifiers(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(is_part)?;
        at = line[start..].find(|c| !is_part(c)).map_or(line.len(), |length| start + length);
        Some((start, &line[start..at]))
    })
    .filter(|(_, word)| !word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(path: &str, text: &str) -> String {
        let masked = mask(path, text, Keep::Code);
        assert_eq!(masked.chars().count(), text.chars().count());
        masked.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_strings_are_left_out() {
        let rust =
            "let a = \"b // \\\" c\"; // d\n/* e\n f */ let g: &'h str = r#\"i\"j\"#; 'k' '\\n' '\"' l";
        assert_eq!(code("a.rs", rust), "let a = ; let g: &'h str = ; l");
        let script = "const a = 'b\\'' + `c\n${d}` + \"e\"; // f\ng /* h */ i";
        assert_eq!(code("a.ts", script), "const a = + + ; g i");
        let python = "a = 'b' # c\n\"\"\"d\ne\"\"\"\nf = \"g\"";
        assert_eq!(code("a.py", python), "a = f =");
    }

    #[test]
    fn strings_stay_where_they_are_wanted() {
        let masked = mask("a.rs", "\"code\" // word", Keep::CodeAndStrings);
        assert_eq!(masked.trim_end(), "\"code\"");
    }

    #[test]
    fn an_apostrophe_in_markup_spoils_one_line() {
        assert_eq!(code("a.tsx", "<p>that's all</p>\nlet a"), "<p>that let a");
    }

    #[test]
    fn identifiers_are_whole_words() {
        let found: Vec<_> = identifiers("fn a_b(é: C1) -> 2x").map(|(_, word)| word).collect();
        assert_eq!(found, ["fn", "a_b", "é", "C1"]);
    }
}
