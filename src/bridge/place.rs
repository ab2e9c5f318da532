//! Places: a database's name with, where pages say it, its user. Pages and workers of one place share a channel, and nothing of a place
//! is ever posted on that of another.

const WRONG_USER: &str = "wrong_user";
const WRONG_NAME: &str = "wrong_name";

/// The place of a page or a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The `name` of `register`.
    pub name: &'a str,
    /// The `user` of `register`.
    pub user: Option<&'a str>,
}

impl Place<'_> {
    /// Returns the place as messages and channels name it: `nightferry`, or `nightferry~ann`.
    pub fn to_text(self) -> String {
        match self.user {
            Some(user) => [self.name, "~", user].concat(),
            None => self.name.into(),
        }
    }
}

/// Returns the code and the sentence for a page of the place `theirs` at a worker of the place `own`.
pub fn refusal(own: &str, theirs: &str) -> (&'static str, &'static str) {
    fn name(place: &str) -> &str {
        place.split('~').next().unwrap_or_default()
    }
    match name(own) == name(theirs) {
        true => (
            WRONG_USER,
            "Someone else uses this app in this browser now. What was changed in this tab is kept in it, and is not sent as theirs. Sign in again in another tab, and leave this one open until then.",
        ),
        false => (
            WRONG_NAME,
            "Another page of this site has registered Nightferry under another name. What was changed in this tab is kept in it while it is open. Give all pages the same name in register().",
        ),
    }
}

/// Returns true for the codes of [`refusal`].
pub fn is_refusal(code: &str) -> bool {
    code == WRONG_USER || code == WRONG_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_name_and_user() {
        let text = |name, user| Place { name, user }.to_text();
        assert_eq!(text("nightferry", None), "nightferry");
        assert_eq!(text("nightferry", Some("ann")), "nightferry~ann");
    }

    #[test]
    fn a_user_is_told_from_a_name() {
        assert_eq!(refusal("nightferry~bob", "nightferry~ann").0, "wrong_user");
        assert_eq!(refusal("nightferry~bob", "nightferry").0, "wrong_user");
        assert_eq!(refusal("other~bob", "nightferry~bob").0, "wrong_name");
        assert!(is_refusal("wrong_user") && is_refusal("wrong_name") && !is_refusal("storage"));
    }
}
