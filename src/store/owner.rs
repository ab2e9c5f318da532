//! Whose a database is.

use super::Snapshot;
use crate::json::read;

impl Snapshot {
    /// Returns the user of the database: as a page has named them, or else as the server has.
    pub fn owner(&self) -> Option<String> {
        self.text("user").or_else(|| Some(user_of(&self.text("principal")?)))
    }

    /// Returns true if the database is not for pages that name this user, or none. A database without an owner is for the first
    /// user that a page names: what was made before is theirs. One that a page has claimed is for no page without a user.
    pub fn is_anothers(&self, user: Option<&str>) -> bool {
        match user {
            Some(user) => self.owner().is_some_and(|owner| owner != user),
            None => self.text("user").is_some(),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let (_, row) = self.meta.iter().find(|(row, _)| row == name)?;
        read(row)
    }
}

/// Returns the user part of a principal as the wire names it: `tenant/user`, or `user` alone.
pub fn user_of(principal: &str) -> String {
    let user = principal.rsplit('/').next().unwrap_or_default();
    user.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(meta: &[(&str, &str)]) -> Snapshot {
        let meta = meta.iter().map(|(name, row)| (String::from(*name), String::from(*row))).collect();
        Snapshot { meta, ..Snapshot::default() }
    }

    #[test]
    fn a_database_is_whose_a_page_says_or_else_the_server() {
        assert_eq!(with(&[]).owner(), None);
        assert_eq!(with(&[("principal", r#""acme/bob""#)]).owner().as_deref(), Some("bob"));
        let both = [("principal", r#""acme/bob""#), ("user", r#""ann""#)];
        assert_eq!(with(&both).owner().as_deref(), Some("ann"));
    }

    #[test]
    fn a_database_without_an_owner_is_nobody_elses() {
        assert!(!with(&[]).is_anothers(Some("ann")));
        let anns = with(&[("user", r#""ann""#)]);
        assert!(!anns.is_anothers(Some("ann")) && anns.is_anothers(None) && anns.is_anothers(Some("bob")));
        // Only the server has said whose it is: pages that name nobody have always shown it.
        let anns = with(&[("principal", r#""acme/ann""#)]);
        assert!(!anns.is_anothers(Some("ann")) && !anns.is_anothers(None) && anns.is_anothers(Some("bob")));
    }

    #[test]
    fn the_user_of_a_principal_is_its_last_part() {
        assert_eq!(user_of("ann"), "ann");
        assert_eq!(user_of("acme/ann"), "ann");
        assert_eq!(user_of("acme/a%2Fb%252F"), "a/b%2F");
    }
}
