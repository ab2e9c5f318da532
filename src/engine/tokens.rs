//! Tokens: the header `Authorization` of requests, where the app's pages give a token. It is kept in memory only.
//!
//! ```text
//!  a request ──► a token is known? ──yes──► sent with it ──► 401 ──► forgotten, asked for once more
//!                       │ no                                                │
//!                       ▼                                                   ▼
//!               a page is asked, then the next; none gives one ──► the request fails as by 401
//! ```
//!
//! # Invariants
//!
//! 1. A request waits for one page's token at a time: several tabs that renew a token at once may end each other's session.
//! 2. After a 401 a token is asked for once; a request that is sent with a renewed one and gets 401 again has failed.
//! 3. Nobody is asked before a page has said that it gives tokens.
//! 4. A token is never written down.

use super::input::Response;
use crate::units::Tick;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A page has so long to give a token, in ms, before the next one is asked.
const ANSWER_MS: u64 = 10_000;

/// A request to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub request: u64,
    pub path: &'static str,
    pub body: Option<String>,
}

/// The next step for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is sent, with this token.
    Send(Request, Option<Rc<str>>),
    /// This page is asked for a token, by this number.
    Ask { page: Rc<str>, number: u64 },
    /// No page gives a token: it has failed.
    Fail(u64),
}

/// A request that waits for a token.
#[derive(Debug)]
struct Waiting {
    request: Request,
    /// The pages that were asked, the present one last.
    asked: Vec<Rc<str>>,
    until: Tick,
    /// Its token was refused once.
    is_renewal: bool,
}

#[derive(Debug, Default)]
pub struct Tokens {
    /// A page of the database has said that it gives tokens.
    is_used: bool,
    token: Option<Rc<str>>,
    /// The request under way that has a token which was not renewed for it.
    sent: Option<Request>,
    waiting: Option<Waiting>,
    /// Pages that have had their time: they are asked last.
    slow: BTreeSet<Rc<str>>,
    /// A request has failed because no page could be asked.
    lacked_page: bool,
    last_number: u64,
}

impl Tokens {
    pub fn recover(is_used: bool) -> Self {
        Tokens { is_used, ..Tokens::default() }
    }

    /// A page has said that it gives tokens. Returns true if none has before.
    pub fn use_them(&mut self) -> bool {
        !std::mem::replace(&mut self.is_used, true)
    }

    /// Returns true if a page has said that it gives tokens.
    pub fn are_used(&self) -> bool {
        self.is_used
    }

    /// The token that is known, for the live connection.
    pub fn known(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Takes a request that is to be sent. `pages` are those that may have a token, the first to be asked first.
    pub fn send(&mut self, request: Request, now: Tick, pages: impl Iterator<Item = Rc<str>>) -> Step {
        (self.sent, self.waiting) = (None, None);
        match &self.token {
            None if self.is_used => self.ask(request, now, pages, false),
            None => Step::Send(request, None),
            Some(token) => {
                self.sent = Some(request.clone());
                Step::Send(request, Some(token.clone()))
            }
        }
    }

    fn ask(
        &mut self,
        request: Request,
        now: Tick,
        pages: impl Iterator<Item = Rc<str>>,
        is_renewal: bool,
    ) -> Step {
        self.waiting = Some(Waiting { request, asked: Vec::new(), until: now, is_renewal });
        self.ask_next(now, pages)
    }

    /// Asks a page that was not asked yet; one that let its time go by before comes last.
    fn ask_next(&mut self, now: Tick, pages: impl Iterator<Item = Rc<str>>) -> Step {
        let Some(waiting) = &mut self.waiting else { return Step::Fail(0) };
        // Numbers are new with each question.
        self.last_number += 1;
        let (slow, prompt): (Vec<_>, Vec<_>) =
            pages.filter(|page| !waiting.asked.contains(page)).partition(|page| self.slow.contains(page));
        let Some(page) = prompt.into_iter().chain(slow).next() else {
            let request = waiting.request.request;
            self.lacked_page = waiting.asked.is_empty();
            self.waiting = None;
            return Step::Fail(request);
        };
        waiting.until = now.plus(ANSWER_MS);
        waiting.asked.push(page.clone());
        Step::Ask { page, number: self.last_number }
    }

    /// A page has answered the question of this number. Returns what becomes of the request that waits. A token that comes late is
    /// taken all the same.
    pub fn given(
        &mut self,
        number: u64,
        token: Option<String>,
        now: Tick,
        pages: impl Iterator<Item = Rc<str>>,
    ) -> Option<Step> {
        let is_last = number == self.last_number;
        if let Some(asked) =
            self.waiting.as_ref().filter(|_| is_last).and_then(|waiting| waiting.asked.last())
        {
            self.slow.remove(asked);
        }
        let Some(token) = token.filter(|token| is_sendable(token)) else {
            return (is_last && self.waiting.is_some()).then(|| self.ask_next(now, pages));
        };
        let token: Rc<str> = token.into();
        let Some(Waiting { request, is_renewal, .. }) = self.waiting.take() else {
            self.token.get_or_insert(token);
            return None;
        };
        self.token = Some(token.clone());
        self.sent = (!is_renewal).then(|| request.clone());
        Some(Step::Send(request, Some(token)))
    }

    /// The page that was asked has had its time.
    pub fn overdue(&mut self, now: Tick, pages: impl Iterator<Item = Rc<str>>) -> Option<Step> {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.until <= now)?;
        self.slow.extend(waiting.asked.last().cloned());
        Some(self.ask_next(now, pages))
    }

    /// Returns true while a request waits for a token. Its own time begins when it is sent.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// When the page that was asked has had its time.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.waiting.as_ref().map(|waiting| waiting.until)
    }

    /// A request was answered. If its token was refused, returns the next step: it is sent once more with another token.
    pub fn answered(
        &mut self,
        request: u64,
        response: &Response,
        now: Tick,
        pages: impl Iterator<Item = Rc<str>>,
    ) -> Option<Step> {
        let sent = self.sent.take().filter(|sent| sent.request == request);
        // An identity proxy redirects where the server answers 401.
        let is_refused = matches!(response.status, 300..=399 | 401);
        // Of 403, somebody else's token may be the reason: the next request asks anew.
        if is_refused || response.status == 403 {
            self.token = None;
        }
        if is_refused { Some(self.ask(sent?, now, pages, true)) } else { None }
    }

    /// A page has come. Returns true if a request has failed because there was none to ask.
    pub fn page_came(&mut self) -> bool {
        std::mem::take(&mut self.lacked_page)
    }

    /// A request is given up.
    pub fn cancel(&mut self) {
        (self.sent, self.waiting) = (None, None);
    }
}

/// Returns true if a token can be a part of a header.
fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(request: u64) -> Request {
        Request { request, path: "/push", body: Some("{}".into()) }
    }

    fn pages(pages: &'static [&'static str]) -> impl Iterator<Item = Rc<str>> {
        pages.iter().map(|page| Rc::from(*page))
    }

    fn status(status: u16) -> Response {
        Response { status, content_type: String::new(), retry_after: None, body: String::new() }
    }

    fn asked(step: Step) -> (Rc<str>, u64) {
        let Step::Ask { page, number } = step else { panic!("{step:?}") };
        (page, number)
    }

    /// Tokens in use, and a request that waits for the first page's.
    fn waiting() -> (Tokens, u64) {
        let mut tokens = Tokens::default();
        assert!(tokens.use_them() && !tokens.use_them());
        let (page, number) = asked(tokens.send(request(1), Tick(0), pages(&["a", "b"])));
        assert_eq!(&*page, "a");
        (tokens, number)
    }

    fn with(token: &str) -> Option<Rc<str>> {
        Some(token.into())
    }

    #[test]
    fn nobody_is_asked_where_no_page_gives_tokens() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.send(request(1), Tick(0), pages(&["a"])), Step::Send(request(1), None));
        assert_eq!(tokens.answered(1, &status(401), Tick(1), pages(&["a"])), None);
    }

    #[test]
    fn a_token_is_asked_for_once_and_goes_with_every_request() {
        let (mut tokens, number) = waiting();
        let sent = tokens.given(number, Some("t".into()), Tick(1), pages(&["a", "b"]));
        assert_eq!(sent, Some(Step::Send(request(1), with("t"))));
        assert_eq!(tokens.given(number, Some("u".into()), Tick(1), pages(&["a", "b"])), None);
        assert_eq!(tokens.known(), Some("t"));
        assert_eq!(tokens.answered(1, &status(200), Tick(2), pages(&["a"])), None);
        assert_eq!(tokens.send(request(2), Tick(3), pages(&["a"])), Step::Send(request(2), with("t")));
    }

    #[test]
    fn a_page_without_a_token_or_without_an_answer_is_followed_by_the_next() {
        let (mut tokens, number) = waiting();
        let (page, number) = asked(tokens.given(number, None, Tick(1), pages(&["a", "b"])).unwrap());
        assert_eq!(&*page, "b");
        assert_eq!(tokens.overdue(Tick(2), pages(&["a", "b"])), None);
        assert_eq!(tokens.overdue(tokens.poll_timeout().unwrap(), pages(&["a", "b"])), Some(Step::Fail(1)));
        // The page that had its time is asked last. A token that comes late is taken all the same.
        let (page, _) = asked(tokens.send(request(2), Tick(20_000), pages(&["b", "a"])));
        assert_eq!(&*page, "a");
        let sent = tokens.given(number, Some("t".into()), Tick(20_001), pages(&["a", "b"]));
        assert_eq!(sent, Some(Step::Send(request(2), with("t"))));
        assert_eq!(tokens.poll_timeout(), None);
    }

    #[test]
    fn a_token_that_no_header_can_have_is_none() {
        for token in ["", "a b", "a\nb", "é"] {
            let (mut tokens, number) = waiting();
            assert_eq!(
                &*asked(tokens.given(number, Some(token.into()), Tick(1), pages(&["a", "b"])).unwrap()).0,
                "b"
            );
        }
    }

    #[test]
    fn after_a_401_a_token_is_asked_for_once() {
        let (mut tokens, number) = waiting();
        tokens.given(number, Some("old".into()), Tick(1), pages(&["a", "b"]));
        let (_, number) = asked(tokens.answered(1, &status(401), Tick(2), pages(&["a"])).unwrap());
        let sent = tokens.given(number, Some("new".into()), Tick(3), pages(&["a", "b"]));
        assert_eq!(sent, Some(Step::Send(request(1), with("new"))));
        // The new one is refused, too: that is for the user to mend.
        assert_eq!(tokens.answered(1, &status(401), Tick(4), pages(&["a"])), None);
        assert_eq!(tokens.known(), None);
        assert!(matches!(tokens.send(request(2), Tick(5), pages(&["a"])), Step::Ask { .. }));
    }

    #[test]
    fn a_page_that_comes_after_a_request_has_failed_without_one_is_told_of() {
        let mut tokens = Tokens::recover(true);
        assert!(!tokens.page_came());
        assert_eq!(tokens.send(request(1), Tick(0), pages(&[])), Step::Fail(1));
        assert!(tokens.page_came() && !tokens.page_came());
    }

    #[test]
    fn a_request_that_is_given_up_waits_for_no_token() {
        let (mut tokens, number) = waiting();
        tokens.cancel();
        assert_eq!(tokens.poll_timeout(), None);
        assert_eq!(tokens.given(number, Some("t".into()), Tick(1), pages(&["a", "b"])), None);
        assert!(!tokens.is_waiting());
    }
}
