//! Collects dispatched actions, so that a burst of them is one message.

/// The limits of a burst; more is posted as several bursts. Each burst is a record in the worker's journal, and a record is
/// read at once. A single action may be larger.
const MAX_ACTIONS: usize = 500;
const MAX_BYTES: usize = 1_000_000;
/// The least time between two bursts, in ms. Actions that follow sooner wait and are posted together.
const MIN_INTERVAL_MS: f64 = 50.0;

/// The actions that were dispatched and not posted yet.
#[derive(Default)]
pub struct Batcher {
    /// The texts of the latest actions, separated by commas, and their number.
    texts: String,
    actions: usize,
    /// Full bursts.
    full_chunks: Vec<String>,
    /// The time of the last burst, in ms of the page's clock.
    posted: Option<f64>,
    /// True if a call of [`Batcher::flush`] is arranged.
    armed: bool,
}

/// When to post what was batcher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Post {
    /// A call is arranged already.
    Arranged,
    /// At the end of this turn.
    Soon,
    /// In so many ms.
    Later(u32),
}

impl Batcher {
    /// Adds the text of an action, dispatched at `now`. Hidden pages use no timer, because it may be a minute late.
    pub fn add(&mut self, action: &str, now: f64, is_hidden: bool) -> Post {
        // The two bytes are a comma and the bracket at the end.
        if self.actions == MAX_ACTIONS || self.texts.len() + action.len() + 2 > MAX_BYTES {
            self.finish_chunk();
        }
        self.actions += 1;
        self.texts.push(if self.texts.is_empty() { '[' } else { ',' });
        self.texts.push_str(action);
        if std::mem::replace(&mut self.armed, true) {
            return Post::Arranged;
        }
        let wait = self.posted.map_or(0.0, |posted| posted + MIN_INTERVAL_MS - now);
        if wait <= 0.0 || is_hidden { Post::Soon } else { Post::Later(wait.ceil() as u32) }
    }

    fn finish_chunk(&mut self) {
        if !self.texts.is_empty() {
            self.texts.push(']');
            self.full_chunks.push(std::mem::take(&mut self.texts));
            self.actions = 0;
        }
    }

    /// Returns the bursts to post now. Each is the JSON text of an array of actions.
    pub fn flush(&mut self, now: f64) -> Vec<String> {
        self.armed = false;
        self.finish_chunk();
        if !self.full_chunks.is_empty() {
            self.posted = Some(now);
        }
        std::mem::take(&mut self.full_chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_in_close_succession_are_posted_together() {
        let mut batcher = Batcher::default();
        assert_eq!(batcher.add("1", 1_000.0, false), Post::Soon);
        assert_eq!(batcher.add("2", 1_000.0, false), Post::Arranged);
        assert_eq!(batcher.flush(1_000.0), ["[1,2]"]);
        assert_eq!(batcher.add("3", 1_010.0, false), Post::Later(40));
        assert_eq!(batcher.add("4", 1_020.0, false), Post::Arranged);
        assert_eq!(batcher.flush(1_050.0), ["[3,4]"]);
        assert_eq!(batcher.flush(1_050.0), [""; 0]);
        assert_eq!(batcher.add("5", 1_060.0, true), Post::Soon);
        assert_eq!(batcher.flush(1_060.0), ["[5]"]);
        assert_eq!(batcher.add("6", 1_110.0, false), Post::Soon);
    }

    #[test]
    fn a_long_burst_is_split_at_the_limits() {
        let mut batcher = Batcher::default();
        let text = "1".repeat(MAX_BYTES / 2 - 1);
        for _ in 0..3 {
            batcher.add(&text, 0.0, false);
        }
        batcher.add(&"1".repeat(MAX_BYTES * 2), 0.0, false);
        let lengths: Vec<_> = batcher.flush(0.0).iter().map(String::len).collect();
        assert_eq!(lengths, [text.len() + 2, text.len() + 2, text.len() + 2, MAX_BYTES * 2 + 2]);
        for _ in 0..501 {
            batcher.add("1", 0.0, false);
        }
        let lengths: Vec<_> = batcher.flush(0.0).iter().map(String::len).collect();
        assert_eq!(lengths, [1_001, 3]);
    }
}
