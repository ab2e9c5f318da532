//! Waiting for a state, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a test waits for something that should happen by itself, unless it says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The same for a program of several that start one another, such as npm, Vite and Flask.
pub(crate) const START: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers `Some`, at most `deadline` long. The last answer (an error or `None`) is in the error.
///
/// `what` completes the sentence "waited for ...".
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let looked = look().await;
        if let Ok(Some(value)) = looked {
            return Ok(value);
        }
        if started.elapsed() > deadline {
            match looked {
                Err(error) => {
                    bail!("waited {} s for {what}; the last look failed: {error:#}", deadline.as_secs_f32())
                }
                _ => bail!("waited {} s for {what}", deadline.as_secs_f32()),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
