//! Several database requests at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Starts all futures in their order, then waits for them in their order, which is how a transaction's requests finish.
pub async fn all<T>(mut futures: Vec<Pending<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = Vec::new();
    poll_fn(|context| {
        for future in &mut futures[results.len()..] {
            results.push(match future.as_mut().poll(context) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            });
        }
        Poll::Ready(())
    })
    .await;
    let mut all = Vec::with_capacity(results.len());
    for (future, result) in futures.into_iter().zip(results) {
        all.push(match result {
            Some(result) => result,
            None => future.await,
        });
    }
    all
}
