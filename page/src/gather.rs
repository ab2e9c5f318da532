//! Actions on their way to the worker, gathered so that a burst of them is one message.

/// A burst is posted in parts of at most so many actions, and so many bytes of text unless a single action has more: each is
/// a record of the worker's, which is read at once.
const MAX_ACTIONS: usize = 500;
const MAX_BYTES: usize = 1_000_000;
/// Bursts that follow one another closely are posted together, one in so many ms.
const GATHER_MS: f64 = 50.0;

/// What was dispatched and not posted.
#[derive(Default)]
pub struct Gathered {
    /// Texts of actions, with commas between, and how many they are.
    texts: String,
    actions: usize,
    /// Parts that are full.
    aside: Vec<String>,
    /// When a burst was posted last, in ms of the page's clock.
    posted: Option<f64>,
    /// Something will call [`Gathered::take`].
    armed: bool,
}

/// When to post what was gathered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Post {
    /// It is arranged already.
    Arranged,
    /// At the end of this turn.
    Soon,
    /// In so many ms.
    Later(u32),
}

impl Gathered {
    /// Takes an action's text, at `now`. Timers of hidden pages may be a minute late, so they have none.
    pub fn add(&mut self, action: &str, now: f64, is_hidden: bool) -> Post {
        // With a comma before it, and the bracket at the end.
        if self.actions == MAX_ACTIONS || self.texts.len() + action.len() + 2 > MAX_BYTES {
            self.put_aside();
        }
        self.actions += 1;
        self.texts.push(if self.texts.is_empty() { '[' } else { ',' });
        self.texts.push_str(action);
        if std::mem::replace(&mut self.armed, true) {
            return Post::Arranged;
        }
        let wait = self.posted.map_or(0.0, |posted| posted + GATHER_MS - now);
        if wait <= 0.0 || is_hidden { Post::Soon } else { Post::Later(wait.ceil() as u32) }
    }

    fn put_aside(&mut self) {
        if !self.texts.is_empty() {
            self.texts.push(']');
            self.aside.push(std::mem::take(&mut self.texts));
            self.actions = 0;
        }
    }

    /// The bursts to post now, each the JSON text of an array of actions.
    pub fn take(&mut self, now: f64) -> Vec<String> {
        self.armed = false;
        self.put_aside();
        if !self.aside.is_empty() {
            self.posted = Some(now);
        }
        std::mem::take(&mut self.aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_message_and_those_that_follow_closely_are_one_more() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.add("1", 1_000.0, false), Post::Soon);
        assert_eq!(gathered.add("2", 1_000.0, false), Post::Arranged);
        assert_eq!(gathered.take(1_000.0), ["[1,2]"]);
        assert_eq!(gathered.add("3", 1_010.0, false), Post::Later(40));
        assert_eq!(gathered.add("4", 1_020.0, false), Post::Arranged);
        assert_eq!(gathered.take(1_050.0), ["[3,4]"]);
        assert_eq!(gathered.take(1_050.0), [""; 0]);
        assert_eq!(gathered.add("5", 1_060.0, true), Post::Soon);
        assert_eq!(gathered.take(1_060.0), ["[5]"]);
        assert_eq!(gathered.add("6", 1_110.0, false), Post::Soon);
    }

    #[test]
    fn a_long_burst_is_posted_in_parts() {
        let mut gathered = Gathered::default();
        let text = "1".repeat(MAX_BYTES / 2 - 1);
        for _ in 0..3 {
            gathered.add(&text, 0.0, false);
        }
        gathered.add(&"1".repeat(MAX_BYTES * 2), 0.0, false);
        let lengths: Vec<_> = gathered.take(0.0).iter().map(String::len).collect();
        assert_eq!(lengths, [text.len() + 2, text.len() + 2, text.len() + 2, MAX_BYTES * 2 + 2]);
        for _ in 0..501 {
            gathered.add("1", 0.0, false);
        }
        let lengths: Vec<_> = gathered.take(0.0).iter().map(String::len).collect();
        assert_eq!(lengths, [1_001, 3]);
    }
}
