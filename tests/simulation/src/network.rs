//! Requests on their way to the server and back.

use crate::kinds::Kind;
use crate::server::Fault;
use crate::world::{Event, World};
use nightferry::engine::{Input, NetworkError};

impl World {
    /// A request that carries a token, where it has one.
    pub(crate) fn request_with(
        &mut self,
        request: u64,
        path: &'static str,
        body: Option<String>,
        token: Option<&str>,
    ) {
        self.server.tokens.push(token.map(str::to_owned));
        let wanted = self.server.token.as_deref();
        if wanted.is_none() || wanted == token {
            return self.request(request, path, body);
        }
        self.in_flight = Some(request);
        let answer = Ok(crate::server::error(self.server.token_status, "unauthenticated"));
        let latency = self.latency();
        self.after(
            latency,
            Event::Report { worker: self.worker, input: Input::Answered { request, answer } },
        );
    }

    fn request(&mut self, request: u64, path: &'static str, body: Option<String>) {
        self.note(|_| format!("request {request}: {path} {}", body.as_deref().unwrap_or("")));
        self.check_request(request, body.as_deref());
        self.in_flight = Some(request);
        self.requested += 1;
        let worker = self.worker;
        let latency = self.latency();
        if self.streams.network.chance(self.fault_rates.repeats) {
            self.tally.record(Kind::RequestRepeated);
            let later = latency + self.streams.network.below(30_000);
            self.after(later, Event::Arrive { worker, request, path, body: body.clone(), copy: true });
        }
        self.after(latency, Event::Arrive { worker, request, path, body, copy: false });
    }

    fn latency(&mut self) -> u64 {
        let mut latency = 1 + self.streams.network.below(20);
        if self.streams.network.chance(self.fault_rates.slow) {
            self.tally.record(Kind::ServerSlow);
            latency += self.streams.network.below(15_000);
        }
        latency
    }

    /// The worker wants a live connection. Where none is answered, that takes for ever.
    pub(crate) fn open_live(&mut self, live: u64) {
        self.note(|_| format!("worker opens live connection {live}"));
        self.wanted_live = Some(live);
        if self.has_live {
            let (worker, latency) = (self.worker, self.latency());
            self.after(latency, Event::Connect { worker, live });
        }
    }

    /// The worker gives its live connection up, also one that has not reached the server yet.
    pub(crate) fn close_live(&mut self) {
        self.note(|_| "worker closes its live connection".to_owned());
        (self.wanted_live, self.live) = (None, None);
    }

    pub(crate) fn connect(&mut self, worker: u64, live: u64) {
        if worker != self.worker || self.engine.is_none() || self.wanted_live != Some(live) {
            return;
        }
        if self.is_offline || self.server.mode != Fault::Nothing {
            self.after(1, Event::Report { worker, input: Input::LiveEnded { live } });
        } else {
            self.live = Some(live);
            self.poke();
        }
    }

    /// The server says which version it has.
    pub(crate) fn poke(&mut self) {
        let Some(live) = self.live else { return };
        if self.streams.network.chance(self.fault_rates.pokes) {
            self.tally.record(Kind::PokeLost);
            return;
        }
        let (worker, latency) = (self.worker, self.latency());
        let text = format!(r#"{{"version":{}}}"#, self.server.history.last);
        self.after(latency, Event::Report { worker, input: Input::Poked { live, text } });
    }

    /// The network goes, and the live connection with it.
    pub(crate) fn disconnect(&mut self) {
        if let Some(live) = self.live.take() {
            self.after(1, Event::Report { worker: self.worker, input: Input::LiveEnded { live } });
        }
    }

    pub(crate) fn arrive(
        &mut self,
        worker: u64,
        request: u64,
        path: &'static str,
        body: Option<&str>,
        copy: bool,
    ) {
        let push = (self.server.device, worker, request, copy);
        let again =
            |body: Option<&str>| Event::Arrive { worker, request, path, body: body.map(Into::into), copy };
        // A push waits for one whose transaction is open, so that versions become visible in their order.
        let waits = if path == "/push" { self.server.waits_until(self.now, push) } else { None };
        if let Some(until) = waits {
            self.at(until, again(body));
            return;
        }
        let fault = match self.server.next_fault() {
            _ if self.server.end_transaction(push) => Fault::Nothing,
            _ if self.is_offline => Fault::Refused,
            Some(fault) => fault,
            None if copy => Fault::Nothing,
            None => self.fault_rates.request(path, &mut self.streams.network, &mut self.tally),
        };
        if let Fault::Held(ms) = fault {
            let until = self.now + ms;
            self.server.open_transaction(push, until);
            self.note(|_| format!("server holds {request} for {ms} ms"));
            self.at(until, again(body));
            return;
        }
        let answer = self.server.receive(self.now, path, body, fault);
        self.note(|_| format!("server gets {request}{}: {fault:?}", if copy { " again" } else { "" }));
        self.check_replaced();
        self.boundary();
        let Some(answer) = answer else { return };
        if copy {
            return;
        }
        let answer = answer.ok_or_else(|| NetworkError("connection refused".into()));
        let latency = self.latency();
        self.after(latency, Event::Report { worker, input: Input::Answered { request, answer } });
    }
}
