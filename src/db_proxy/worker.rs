//! Workers: each with its own SQL connections, and where requests wait for them.

use crate::{
    db_proxy::{
        line::{Job, Line, Next, Seat},
        plumbing::{
            context::{Context, World},
            refusal,
        },
        table,
    },
    env::{ConnId, Env, draw_id},
    fact::Fact,
    protocol::Protocol,
    wire::{Pdu, attach, edit::Edit},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The most requests that may wait for one worker (ours; the original has no bound), where the limit
/// `worker.queue` does not hold. Past it requests are refused.
pub const QUEUE_BOUND: usize = 4096;

/// Where a worker gets its requests from.
#[derive(Debug)]
pub enum Jobs {
    /// From a queue of its own.
    Own(Receiver<Job>),
    /// From the line in which all of them stand.
    Shared(Seat),
}

impl Jobs {
    /// The next request, when the last one is done; `None` once there will be none.
    async fn next(&mut self) -> Option<Next> {
        match self {
            Self::Own(queue) => queue.recv().await.map(|job| Next { job, is_late: false }),
            Self::Shared(seat) => seat.next().await,
        }
    }
}

/// What requests wait in.
#[derive(Debug)]
enum Waiting {
    /// A queue for each worker (SYSTEM.md section 2): behind a slow request others wait, though workers are idle.
    Own(Vec<Sender<Job>>),
    /// One line for all (switch `edge-limits`).
    Shared(Arc<Line>),
}

/// The requests that wait for the workers of one process.
#[derive(Debug)]
pub struct Queues<E> {
    env: E,
    workers: usize,
    waiting: Waiting,
    /// The most that one queue may hold.
    bound: usize,
    /// The longest that any of them has been.
    longest: usize,
}

impl<E: Env> Queues<E> {
    /// A queue of `bound` requests for each of some workers, and what each reads.
    pub fn own(env: E, workers: usize, bound: usize) -> (Self, Vec<Jobs>) {
        let pairs = (0..workers).map(|_| mpsc::channel(bound));
        let (queues, jobs) = pairs.map(|(queue, jobs)| (queue, Jobs::Own(jobs))).unzip();
        let waiting = Waiting::Own(queues);
        (Self { env, workers, waiting, bound, longest: 0 }, jobs)
    }

    /// One line for some workers, of `bound` requests for each of them, each no longer than `longest`, and what each reads.
    pub fn shared(
        env: E,
        workers: usize,
        (bound, longest): (usize, Duration),
        protocol: Protocol,
    ) -> (Self, Vec<Jobs>) {
        let bound = bound.saturating_mul(workers);
        let (line, seats) = Line::new(workers, (bound, longest), protocol);
        let waiting = Waiting::Shared(line);
        let jobs = seats.into_iter().map(Jobs::Shared).collect();
        (Self { env, workers, waiting, bound, longest: 0 }, jobs)
    }

    /// Gives a request to a random worker (SYSTEM.md section 2); where they share a line, to another one that is
    /// idle if that one is not.
    ///
    /// # Errors
    /// The request, if there is no room for it to wait.
    pub fn dispatch(&mut self, conn: ConnId, pdu: Pdu) -> Result<(), Pdu> {
        let command = pdu.command();
        let id = || {
            // Attach data names connections, which differ from run to run: not part of the key.
            let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
            draw_id(&[&command.to_be_bytes(), &body, &pdu.header.seq_num.to_be_bytes()])
        };
        let chosen = (self.env.random("db-worker", id) % self.workers as u64) as usize;
        let length = match &self.waiting {
            Waiting::Own(queues) => {
                let queue = &queues[chosen];
                let sent = queue.try_send((conn, pdu)).map_err(|full| full.into_inner().1);
                sent.map(|()| queue.max_capacity() - queue.capacity())
            }
            Waiting::Shared(line) => line.join(chosen, (conn, pdu)),
        };
        match length {
            Ok(length) if length > self.longest => {
                self.longest = length;
                self.env.fact(Fact::HighWater {
                    queue: "worker_queue".to_string(),
                    length: length as u64,
                    bound: self.bound as u64,
                });
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(pdu) => {
                let reason = refusal::FULL.to_string();
                self.env.fact(Fact::Refused { conn, command, reason });
                Err(pdu)
            }
        }
    }
}

/// Serves requests as long as there are any to come. One that is late is refused, if somebody can be told.
pub async fn run<W: World>(mut cx: Context<W>, mut jobs: Jobs, replies: Sender<(ConnId, Pdu)>) {
    while let Some(Next { job: (conn, request), is_late }) = jobs.next().await {
        let refused = if is_late { refusal::late(cx.protocol(), &request) } else { None };
        let answer = match refused {
            Some(refusal) => {
                let (command, reason) = (request.command(), refusal::LATE.to_string());
                cx.fact(Fact::Refused { conn, command, reason });
                Some(refusal)
            }
            None => serve(&mut cx, conn, &request).await,
        };
        if let Some(answer) = answer
            && replies.send((conn, answer)).await.is_err()
        {
            return;
        }
    }
}

/// Serves a request: its reply, or its refusal.
async fn serve<W: World>(cx: &mut Context<W>, conn: ConnId, request: &Pdu) -> Option<Pdu> {
    cx.start_request();
    match table::handle(cx, request).await {
        Ok(reply) => Some(reply),
        Err(why) => {
            tracing::debug!(conn, command = request.command(), %why, "not served");
            refusal::of(cx.protocol(), request, &why)
        }
    }
}
