//! Workers: each with its own queue and its own SQL connections.

use crate::{
    db_proxy::{
        plumbing::{
            context::{Context, World},
            refusal,
        },
        table,
    },
    env::{ConnId, Env, draw_id},
    fact::Fact,
    wire::{Pdu, attach, edit::Edit},
};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The most requests that may wait for one worker (ours; the original has no bound), where the limit
/// `worker.queue` does not hold. Past it requests are refused.
pub const QUEUE_BOUND: usize = 4096;

/// A request and the connection that it came from.
pub type Job = (ConnId, Pdu);

/// The queues of all workers.
#[derive(Debug)]
pub struct Queues<E> {
    env: E,
    queues: Vec<Sender<Job>>,
    /// The most that each may hold.
    bound: usize,
    /// The longest that any of them has been.
    longest: usize,
}

impl<E: Env> Queues<E> {
    /// Makes `workers` queues of `bound` requests each, and hands the reading end of each to `start`.
    pub fn new(env: E, workers: usize, bound: usize, mut start: impl FnMut(Receiver<Job>)) -> Self {
        let queues = (0..workers)
            .map(|_| {
                let (queue, jobs) = mpsc::channel(bound);
                start(jobs);
                queue
            })
            .collect();
        Self { env, queues, bound, longest: 0 }
    }

    /// Gives a request to a random worker (SYSTEM.md section 2).
    ///
    /// # Errors
    /// The request, if that worker's queue is full.
    pub fn dispatch(&mut self, conn: ConnId, pdu: Pdu) -> Result<(), Pdu> {
        let command = pdu.command();
        let id = || {
            // Attach data names connections, which differ from run to run: not part of the key.
            let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
            draw_id(&[&command.to_be_bytes(), &body, &pdu.header.seq_num.to_be_bytes()])
        };
        let chosen = self.env.random("db-worker", id) % self.queues.len() as u64;
        let queue = &self.queues[chosen as usize];
        if let Err(full) = queue.try_send((conn, pdu)) {
            let reason = "worker queue full".to_string();
            self.env.fact(Fact::Refused { conn, command, reason });
            return Err(full.into_inner().1);
        }
        let length = queue.max_capacity() - queue.capacity();
        if length > self.longest {
            self.longest = length;
            self.env.fact(Fact::HighWater {
                queue: "worker_queue".to_string(),
                length: length as u64,
                bound: self.bound as u64,
            });
        }
        Ok(())
    }
}

/// Serves one queue until it is closed.
pub async fn run<W: World>(
    mut cx: Context<W>,
    mut jobs: Receiver<Job>,
    replies: Sender<(ConnId, Pdu)>,
) {
    while let Some((conn, request)) = jobs.recv().await {
        cx.start_request();
        let answer = match table::handle(&mut cx, &request).await {
            Ok(reply) => Some(reply),
            Err(why) => {
                tracing::debug!(conn, command = request.command(), %why, "not served");
                refusal::of(cx.protocol(), &request, &why)
            }
        };
        if let Some(answer) = answer
            && replies.send((conn, answer)).await.is_err()
        {
            return;
        }
    }
}
