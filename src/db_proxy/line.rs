//! One line for all workers of a process (switch `edge-limits`): nobody waits while a worker is idle, users take
//! turns, and no conversation holds all workers.
//!
//! The exception is a conversation that many write to at once. Its messages take turns at a row of the database,
//! and a worker that waits for that row serves nobody: past their share ([`of_one`]) its messages wait aside, and
//! each joins the line when one before it is done.
//!
//! What has waited too long when its turn comes is not worth serving: who asked has asked again by then, or was told that
//! no answer came, and a db_proxy that is busy with what nobody waits for does not catch up (seed 4726 of `hardened`: a
//! crowd of sends, each written six times, went through a conversation for half a minute). It is handed over as late.

use super::fair::Fair;
use crate::{
    catalogue::id as command,
    conversation::Conversation,
    env::ConnId,
    mutants::Mutant,
    protocol::Protocol,
    wire::{Pdu, fields, im::base_define::MsgType},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::Instant,
};

/// How many messages of one conversation may be served, or stand in the line, at once: a quarter of the workers,
/// but two where that leaves one for others. So one prepares itself while the other one has its turn.
const fn of_one(workers: usize) -> usize {
    match workers {
        0..=2 => 1,
        3..=11 => 2,
        _ => workers / 4,
    }
}

/// A request and the connection that it came from.
pub type Job = (ConnId, Pdu);

/// A request whose turn has come.
#[derive(Debug)]
pub struct Next {
    /// The request.
    pub job: Job,
    /// It has waited longer than it may: to be refused, if it can be.
    pub is_late: bool,
}

/// A request that waits, and since when.
#[derive(Debug)]
struct Waits {
    job: Job,
    since: Instant,
}

/// One in the line, and the conversation that it is a message of.
type Asked = (Option<Conversation>, Waits);

/// The line.
#[derive(Debug)]
pub struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    protocol: Protocol,
    workers: Vec<Worker>,
    /// Empty while a worker is idle.
    line: Fair<Asked>,
    /// Conversations of which messages are served or wait.
    turns: BTreeMap<Conversation, Turns>,
    /// How many wait, in the line and aside.
    waiting: usize,
    /// The most that may wait.
    bound: usize,
    /// The longest that one may wait.
    longest: Duration,
}

#[derive(Debug)]
struct Worker {
    /// Where it hears of a request while it is idle; has room for one.
    to: Sender<Job>,
    is_idle: bool,
    /// What it serves is a message of this one.
    conversation: Option<Conversation>,
}

/// The messages of one conversation.
#[derive(Debug, Default)]
struct Turns {
    /// How many are served, or stand in the line.
    taken: usize,
    /// Those past its share, the oldest first.
    aside: VecDeque<Waits>,
}

/// A worker's place at the line.
#[derive(Debug)]
pub struct Seat {
    line: Arc<Line>,
    worker: usize,
    jobs: Receiver<Job>,
    /// It has a request, which is done when it asks for the next one.
    is_busy: bool,
}

impl Line {
    /// A line of at most `bound` requests, of which none should wait for longer than `longest`, and the seats of its
    /// workers.
    pub fn new(
        workers: usize,
        (bound, longest): (usize, Duration),
        protocol: Protocol,
    ) -> (Arc<Self>, Vec<Seat>) {
        let worker = |to| Worker { to, is_idle: true, conversation: None };
        let pairs = (0..workers).map(|_| mpsc::channel(1));
        let (workers, jobs): (Vec<_>, Vec<_>) = pairs.map(|(to, jobs)| (worker(to), jobs)).unzip();
        let (line, turns) = (Fair::new(), BTreeMap::new());
        let state = State { protocol, workers, line, turns, waiting: 0, bound, longest };
        let line = Arc::new(Self(Mutex::new(state)));
        let seat = |(worker, jobs)| Seat { line: line.clone(), worker, jobs, is_busy: false };
        let seats = jobs.into_iter().enumerate().map(seat).collect();
        (line, seats)
    }

    /// Gives a request to this worker, or to the first after it that is idle. Says how many wait, if it has to; else 0.
    ///
    /// # Errors
    /// The request, if too many wait.
    pub fn join(&self, chosen: usize, job: Job) -> Result<usize, Pdu> {
        let mut state = self.state();
        let conversation = conversation(&job.1);
        let has_share = state.has_share(conversation);
        if let Some(idle) = state.idle(chosen).filter(|_| has_share) {
            state.take_turn(conversation);
            state.workers[idle].serves(conversation);
            let sent = state.workers[idle].to.try_send(job);
            return sent.map(|()| 0).map_err(|gone| gone.into_inner().1);
        }
        if state.waiting >= state.bound {
            return Err(job.1);
        }
        state.waiting += 1;
        let waits = Waits { job, since: Instant::now() };
        match conversation.filter(|_| !has_share) {
            Some(of) => state.turns.entry(of).or_default().aside.push_back(waits),
            None => {
                state.take_turn(conversation);
                state.wait(conversation, waits);
            }
        }
        Ok(state.waiting)
    }

    /// A worker is done. Its next request; if there is none it is idle.
    fn done(&self, worker: usize) -> Option<Next> {
        let mut state = self.state();
        if let Some(conversation) = state.workers[worker].conversation.take() {
            state.give_turn(conversation);
        }
        let Some((conversation, Waits { job, since })) = state.line.pop() else {
            state.workers[worker].is_idle = true;
            return None;
        };
        state.waiting -= 1;
        state.workers[worker].serves(conversation);
        let protocol = &state.protocol;
        let is_late = match since.elapsed() > state.longest {
            true => !protocol.mutated(Mutant::LateIsServed),
            false => protocol.mutated(Mutant::WaitIsLate),
        };
        Some(Next { job, is_late })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more message of a conversation may be served; what is of none always may.
    fn has_share(&self, conversation: Option<Conversation>) -> bool {
        let turns = conversation.and_then(|of| self.turns.get(&of));
        turns.is_none_or(|turns| turns.taken < of_one(self.workers.len()))
    }

    /// The first worker from this one on that is idle.
    fn idle(&self, chosen: usize) -> Option<usize> {
        let count = self.workers.len();
        let idle = (0..count).map(|n| (chosen + n) % count).find(|&n| self.workers[n].is_idle)?;
        let is_kept = idle != chosen && self.protocol.mutated(Mutant::DrawnWorkerOnly);
        (!is_kept).then_some(idle)
    }

    fn wait(&mut self, conversation: Option<Conversation>, waits: Waits) {
        let request = waits.job.1.clone();
        self.line.push(&request, (conversation, waits));
    }

    fn take_turn(&mut self, conversation: Option<Conversation>) {
        if let Some(of) = conversation {
            self.turns.entry(of).or_default().taken += 1;
        }
    }

    /// A message is done: the next one that waits aside joins the line in its place.
    fn give_turn(&mut self, conversation: Conversation) {
        let Some(turns) = self.turns.get_mut(&conversation) else { return };
        match turns.aside.pop_front() {
            Some(waits) => {
                self.wait(Some(conversation), waits);
                return;
            }
            None => turns.taken -= 1,
        }
        if turns.taken == 0 {
            self.turns.remove(&conversation);
        }
    }
}

impl Worker {
    fn serves(&mut self, conversation: Option<Conversation>) {
        (self.is_idle, self.conversation) = (false, conversation);
    }
}

impl Seat {
    /// The worker's next request: the last one is done.
    pub async fn next(&mut self) -> Option<Next> {
        if self.is_busy
            && let Some(next) = self.line.done(self.worker)
        {
            return Some(next);
        }
        self.is_busy = false;
        let job = self.jobs.recv().await;
        self.is_busy = true;
        job.map(|job| Next { job, is_late: false })
    }
}

/// The conversation in which a request waits for its turn: of a message, the one that it is written to.
fn conversation(pdu: &Pdu) -> Option<Conversation> {
    if pdu.command() != command::MSG_DATA {
        return None;
    }
    let number = |field| fields::uint(&pdu.body, field);
    let (from, to) = (number(fields::USER_ID)?, number(fields::TO_SESSION_ID)?);
    match MsgType::try_from(number(fields::MSG_TYPE)? as i32).ok()? {
        MsgType::SingleText | MsgType::SingleAudio => Some(Conversation::single(from, to)),
        MsgType::GroupText | MsgType::GroupAudio => Some(Conversation::Group(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Line, Next, Seat, conversation, of_one};
    use crate::{
        catalogue::id as command,
        conversation::Conversation,
        protocol::Protocol,
        wire::{
            Pdu,
            im::{base_define::MsgType, buddy::ImDepartmentReq, message::ImMsgData},
        },
    };
    use std::{sync::Arc, time::Duration};
    use tokio::time::advance;

    const LONGEST: Duration = Duration::from_secs(6);

    /// A message to group 7, or to user 7.
    fn message(seq: u16, kind: MsgType) -> Job {
        let body = ImMsgData {
            from_user_id: 9,
            to_session_id: 7,
            msg_type: kind.into(),
            msg_data: "x".into(),
            ..Default::default()
        };
        (1, Pdu::new(command::MSG_DATA, seq, &body))
    }

    fn to_group(seq: u16) -> Job {
        message(seq, MsgType::GroupText)
    }

    fn asked_by(user_id: u32, seq: u16) -> Job {
        let asked = ImDepartmentReq { user_id, latest_update_time: 0, attach_data: None };
        (1, Pdu::new(command::BUDDY_LIST_DEPARTMENT_REQUEST, seq, &asked))
    }

    fn question(seq: u16) -> Job {
        asked_by(1, seq)
    }

    /// What a worker gets now, if it gets something: its seq_num.
    fn next(seat: &mut Seat) -> Option<u16> {
        let mut next = std::pin::pin!(seat.next());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match next.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(next) => {
                let Next { job, is_late } = next.expect("the line is there");
                assert!(!is_late);
                Some(job.1.header.seq_num)
            }
            std::task::Poll::Pending => None,
        }
    }

    fn join(line: &Arc<Line>, chosen: usize, job: Job) -> Option<usize> {
        line.join(chosen, job).ok()
    }

    #[test]
    fn nobody_waits_while_a_worker_is_idle() {
        let (line, mut seats) = Line::new(3, (2, LONGEST), Protocol::hardened());
        for seq in 1..=3 {
            assert_eq!(join(&line, 2, question(seq)), Some(0), "to 2, and on to 0 and 1");
        }
        let got: Vec<_> = seats.iter_mut().map(next).collect();
        assert_eq!(got, [Some(2), Some(3), Some(1)]);
        assert_eq!(join(&line, 2, question(4)), Some(1), "all are busy");
        assert_eq!(join(&line, 2, question(5)), Some(2));
        assert_eq!(join(&line, 2, question(6)), None, "two may wait");
        assert_eq!(next(&mut seats[1]), Some(4), "whoever is done first, though 2 was drawn");
        assert_eq!(next(&mut seats[1]), Some(5));
        assert_eq!(next(&mut seats[1]), None);
        assert_eq!(join(&line, 2, question(7)), Some(0));
        assert_eq!(next(&mut seats[1]), Some(7));
    }

    #[test]
    fn who_asks_much_waits_for_themselves() {
        let (line, mut seats) = Line::new(1, (10, LONGEST), Protocol::hardened());
        for seq in 1..=4 {
            assert!(join(&line, 0, question(seq)).is_some());
        }
        assert_eq!(join(&line, 0, asked_by(2, 5)), Some(4));
        let got: Vec<_> = (0..5).map(|_| next(&mut seats[0])).collect();
        assert_eq!(got, [Some(1), Some(2), Some(5), Some(3), Some(4)]);
    }

    #[test]
    fn messages_of_one_conversation_leave_workers_to_others() {
        let (line, mut seats) = Line::new(4, (10, LONGEST), Protocol::hardened());
        for (seq, waits) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
            assert_eq!(join(&line, 0, to_group(seq)), Some(waits), "two are served at once");
        }
        // Others pass them, as long as there is a worker.
        let single = message(5, MsgType::SingleText);
        assert_eq!(join(&line, 0, single), Some(0));
        assert_eq!(join(&line, 0, question(6)), Some(0));
        assert_eq!(join(&line, 0, question(7)), Some(3));
        let got: Vec<_> = seats.iter_mut().map(next).collect();
        assert_eq!(got, [Some(1), Some(2), Some(5), Some(6)]);
        assert_eq!(next(&mut seats[3]), Some(7), "the group has its share");
        assert_eq!(next(&mut seats[3]), None, "and waits for its turn");
        assert_eq!(next(&mut seats[0]), Some(3), "in the order in which they came");
        assert_eq!(next(&mut seats[1]), Some(4));
        assert_eq!(next(&mut seats[0]), None);
    }

    /// In the line or aside.
    #[tokio::test(start_paused = true)]
    async fn what_has_waited_too_long_is_late() {
        let (line, mut seats) = Line::new(1, (10, LONGEST), Protocol::hardened());
        for seq in [1, 2] {
            assert!(join(&line, 0, to_group(seq)).is_some());
        }
        assert!(join(&line, 0, question(3)).is_some());
        advance(LONGEST).await;
        assert!(join(&line, 0, asked_by(2, 4)).is_some());
        assert_eq!(next(&mut seats[0]), Some(1), "it waited for nobody");
        assert_eq!(next(&mut seats[0]), Some(3), "just as long as it may");
        advance(Duration::from_millis(1)).await;
        let mut late = Vec::new();
        for _ in 0..2 {
            let Next { job, is_late } = seats[0].next().await.expect("one that waits");
            late.push((job.1.header.seq_num, is_late));
        }
        late.sort_unstable();
        assert_eq!(late, [(2, true), (4, false)]);
    }

    #[test]
    fn a_share_leaves_a_worker_wherever_there_is_more_than_one() {
        for workers in 2..100 {
            assert!((1..workers).contains(&of_one(workers)), "{workers}");
        }
        assert_eq!((of_one(1), of_one(4), of_one(12), of_one(56)), (1, 2, 3, 14));
    }

    #[test]
    fn the_conversation_is_that_of_the_message() {
        let of = |job: Job| conversation(&job.1);
        assert_eq!(of(to_group(1)), Some(Conversation::Group(7)));
        assert_eq!(of(message(1, MsgType::SingleAudio)), Some(Conversation::single(7, 9)));
        assert_eq!(of(question(1)), None);
        assert_eq!(of((1, Pdu::raw(command::MSG_DATA, 1, bytes::Bytes::new()))), None);
    }
}
