//! Requests on their way to the server and back.

use crate::kinds::Kind;
use crate::server::Fault;
use crate::world::{Event, World};
use nightferry::engine::{Input, NetworkError};

impl World {
    pub(crate) fn request(&mut self, request: u64, path: &'static str, body: Option<String>) {
        self.note(|_| format!("request {request}: {path} {}", body.as_deref().unwrap_or("")));
        self.check_request(request, body.as_deref());
        self.in_flight = Some(request);
        self.requested += 1;
        let life = self.life;
        let latency = self.latency();
        if self.dice.chance(self.weather.repeats) {
            self.tally.met(Kind::RequestRepeated);
            let later = latency + self.dice.below(30_000);
            self.after(later, Event::Arrive { life, request, path, body: body.clone(), copy: true });
        }
        self.after(latency, Event::Arrive { life, request, path, body, copy: false });
    }

    fn latency(&mut self) -> u64 {
        let mut latency = 1 + self.dice.below(20);
        if self.dice.chance(self.weather.slow) {
            self.tally.met(Kind::ServerSlow);
            latency += self.dice.below(15_000);
        }
        latency
    }

    pub(crate) fn arrive(
        &mut self,
        life: u64,
        request: u64,
        path: &'static str,
        body: Option<&str>,
        copy: bool,
    ) {
        let fault = match self.server.next_fault() {
            Some(fault) => fault,
            None if copy => Fault::Nothing,
            None => self.weather.request(&mut self.dice, &mut self.tally),
        };
        let answer = self.server.receive(self.now, path, body, fault);
        self.note(|_| format!("server gets {request}{}: {fault:?}", if copy { " again" } else { "" }));
        self.boundary();
        let Some(answer) = answer else { return };
        if copy {
            return;
        }
        let answer = answer.ok_or_else(|| NetworkError("connection refused".into()));
        let latency = self.latency();
        self.after(latency, Event::Report { life, input: Input::Answered { request, answer } });
    }
}
