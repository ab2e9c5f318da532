//! Reads the options that several commands share, with lexopt.

use std::ffi::OsString;

use anyhow::{Result, anyhow, bail};
use lexopt::{Arg, Parser};

/// The error for an option or a name that a command does not take. `takes` lists what it takes.
pub fn unknown(command: &str, argument: &Arg, takes: &str) -> anyhow::Error {
    anyhow!("`{command}` does not know `{}`; it takes {takes}", text(argument))
}

/// An argument as it was typed.
pub fn text(argument: &Arg) -> String {
    match argument {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(name) => format!("--{name}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

/// The value of the option that was read last, or `None` if nothing follows it.
pub fn value(parser: &mut Parser) -> Option<String> {
    parser.value().ok().and_then(|value| value.into_string().ok())
}

/// All that follows `--`, if that comes next.
pub fn after_dashes(parser: &mut Parser) -> Result<Option<Vec<String>>> {
    let Some(rest) = parser.try_raw_args() else { return Ok(None) };
    if rest.peek().is_none_or(|next| next != "--") {
        return Ok(None);
    }
    rest.skip(1).map(utf8).collect::<Result<_>>().map(Some)
}

/// Fails if an argument is left.
pub fn none(command: &str, parser: &mut Parser) -> Result<()> {
    match parser.next()? {
        None => Ok(()),
        Some(argument) => bail!("`{command}` does not know `{}`; it takes no options", text(&argument)),
    }
}

pub fn utf8(argument: OsString) -> Result<String> {
    argument.into_string().map_err(|argument| anyhow!("{} is not UTF-8", argument.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_dashes_is_not_read() {
        let mut parser = Parser::from_args(["--", "--test", "api"]);
        assert_eq!(after_dashes(&mut parser).unwrap().unwrap(), ["--test", "api"]);
        let mut parser = Parser::from_args(["e2e", "--"]);
        assert_eq!(after_dashes(&mut parser).unwrap(), None);
    }

    #[test]
    fn an_unknown_argument_is_named_as_it_was_typed() {
        for typed in ["--wrong", "-w", "wrong"] {
            let mut parser = Parser::from_args([typed]);
            let argument = parser.next().unwrap().unwrap();
            assert_eq!(
                unknown("api", &argument, "nothing").to_string(),
                format!("`api` does not know `{typed}`; it takes nothing")
            );
        }
        let error = none("api", &mut Parser::from_args(["--x"])).unwrap_err();
        assert_eq!(error.to_string(), "`api` does not know `--x`; it takes no options");
    }
}
