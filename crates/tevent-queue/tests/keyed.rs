//! One line per key: the rules of a queue in each, and nothing left of those that nobody uses.
#![cfg(not(loom))]

mod common;

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use common::Trace;
use futures::{FutureExt, executor::block_on};
use tevent_queue::{KeyedEntry, KeyedGuard, KeyedQueue, QueueError, TeventQueue, TryEntryError};
use tevent_testing::{Counting, bytes_held};
use tokio_test::task::{Spawn, spawn};

type Task<K> = Spawn<KeyedEntry<K>>;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A new entry that has been polled and waits.
#[track_caller]
fn wait<K: Ord + Clone>(keyed: &KeyedQueue<K>, key: K) -> Task<K> {
    let mut task = spawn(keyed.entry(key));
    assert!(task.poll().is_pending());
    task
}

#[track_caller]
fn enter<K: Ord>(task: &mut Task<K>) -> KeyedGuard<K> {
    match task.poll() {
        Poll::Ready(Ok(guard)) => guard,
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => panic!("the turn has not come"),
    }
}

/// What somebody does, once.
type Deed = Option<Box<dyn FnOnce()>>;

thread_local! {
    /// What the wakers of this thread do when they are woken.
    static ACTS: RefCell<Vec<Deed>> = const { RefCell::new(Vec::new()) };
}

/// A waker that acts, as some executors' do; by its number, because it may have nothing in it that stays on one thread.
struct Act(usize);

impl Wake for Act {
    fn wake(self: Arc<Self>) {
        let act = ACTS.with_borrow_mut(|acts| acts[self.0].take());
        act.into_iter().for_each(|act| act());
    }
}

fn acting(act: impl FnOnce() + 'static) -> Waker {
    let number = ACTS.with_borrow_mut(|acts| {
        acts.push(Some(Box::new(act)));
        acts.len() - 1
    });
    Arc::new(Act(number)).into()
}

#[test]
fn one_key_takes_turns_in_order_and_others_do_not_wait() {
    let keyed = KeyedQueue::new("user");
    let anna = keyed.try_entry("anna").unwrap();
    let mut second = wait(&keyed, "anna");
    let mut third = wait(&keyed, "anna");
    let bert = block_on(keyed.entry("bert")).unwrap();
    assert_eq!((keyed.len(&"anna"), keyed.len(&"bert")), (3, 1));
    drop(anna);
    assert!(second.is_woken() && !third.is_woken());
    drop(enter(&mut second));
    drop(enter(&mut third));
    assert_eq!((bert.key(), keyed.keys()), (&"bert", vec!["bert"]));
}

#[test]
fn the_place_is_taken_at_the_call() {
    let keyed = KeyedQueue::new("user");
    let (mut first, mut second) = (spawn(keyed.entry(1)), spawn(keyed.entry(1)));
    assert_eq!((first.position(), second.position()), (Some(0), Some(1)));
    assert!(second.poll().is_pending());
    drop(enter(&mut first));
    drop(enter(&mut second));
}

#[test]
fn a_line_lives_as_long_as_an_entry_a_guard_or_a_handle_of_it() {
    let keyed = KeyedQueue::new("user");
    let entry = keyed.entry(1);
    assert_eq!(keyed.lines(), 1);
    let guard = block_on(entry).unwrap();
    assert_eq!(keyed.lines(), 1);
    let line = guard.line().clone();
    drop(guard);
    assert_eq!((keyed.lines(), keyed.len(&1)), (1, 0));
    let waiting = line.entry();
    drop(line);
    assert_eq!((keyed.lines(), keyed.len(&1)), (1, 1));
    drop(waiting);
    assert_eq!((keyed.lines(), keyed.is_empty()), (0, true));
}

/// A task may keep a future that was ready; it is not in the line any more.
#[test]
fn an_entry_that_was_ready_does_not_keep_the_line() {
    let keyed = KeyedQueue::new("user");
    let mut entry = spawn(keyed.entry(1));
    drop(enter(&mut entry));
    assert_eq!(keyed.lines(), 0);
}

#[test]
fn entries_bear_the_line_that_asked_for_them_and_their_tags() {
    let keyed = KeyedQueue::new("user");
    let (holder, entry) = (keyed.try_entry(1).unwrap(), keyed.entry(1).tagged(7));
    let line = line!() - 1;
    let entries = keyed.line(1).queue().entries(2);
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.origin.line(), entry.tag))
        .collect();
    assert_eq!(found, [(line, 0), (line, 7)]);
    assert_eq!(entries[0].origin.file(), file!());
    drop((holder, entry));
}

#[test]
fn a_refused_try_entry_leaves_no_line_behind() {
    let keyed = KeyedQueue::new("user");
    keyed.stop();
    assert_eq!(keyed.try_entry(1).unwrap_err(), TryEntryError::Stopped);
    keyed.close();
    assert_eq!(keyed.try_entry(1).unwrap_err(), TryEntryError::Closed);
    assert_eq!(keyed.lines(), 0);
}

/// SSSD's keyed queue lost a request that came while the emptied queue of its key was about to be removed
/// (pagure 3372). Here: a waker that runs while the holder lets go asks for the same key.
#[test]
fn who_asks_for_a_key_while_its_holder_lets_go_joins_the_same_line() {
    let keyed = KeyedQueue::new("user");
    let holder = keyed.try_entry(1).unwrap();
    let mut next = keyed.entry(1);
    let late = Rc::new(RefCell::new(None));
    let waker = acting({
        let (keyed, late) = (keyed.clone(), Rc::clone(&late));
        move || *late.borrow_mut() = Some(keyed.entry(1))
    });
    let polled = next.poll_unpin(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(holder);
    assert_eq!((keyed.lines(), keyed.len(&1)), (1, 2));
    let guard = block_on(next).unwrap();
    let mut late = spawn(late.take().expect("the waker has run"));
    assert!(late.poll().is_pending(), "one at a time");
    drop(guard);
    drop(enter(&mut late));
    assert_eq!(keyed.lines(), 0);
}

/// The same, where the waiter leaves inside its own wake, and nobody else is there any more.
#[test]
fn who_asks_for_a_key_after_the_last_waiter_left_in_its_wake_is_served() {
    let keyed = KeyedQueue::new("user");
    let holder = keyed.try_entry(1).unwrap();
    let next = Rc::new(RefCell::new(Some(keyed.entry(1))));
    let late = Rc::new(RefCell::new(None));
    let waker = acting({
        let (keyed, next, late) = (keyed.clone(), Rc::clone(&next), Rc::clone(&late));
        move || {
            drop(next.borrow_mut().take());
            *late.borrow_mut() = Some(keyed.entry(1));
        }
    });
    let mut cx = Context::from_waker(&waker);
    let polled = next
        .borrow_mut()
        .as_mut()
        .map(|next| next.poll_unpin(&mut cx));
    assert!(polled.is_some_and(|polled| polled.is_pending()));
    drop(holder);
    assert_eq!(keyed.lines(), 1);
    let late = late.take().expect("the waker has run");
    drop(block_on(late).unwrap());
    assert_eq!(keyed.lines(), 0);
}

/// A key whose destructor acts.
#[derive(Clone)]
struct Acting(u32, Rc<RefCell<Deed>>);

impl Drop for Acting {
    fn drop(&mut self) {
        let act = self.1.borrow_mut().take();
        act.into_iter().for_each(|act| act());
    }
}

impl PartialEq for Acting {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Acting {}

impl PartialOrd for Acting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Acting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[test]
fn a_key_that_asks_for_itself_when_it_is_dropped_gets_a_new_line() {
    let keyed = KeyedQueue::new("user");
    let act = Rc::default();
    let guard = keyed.try_entry(Acting(1, Rc::clone(&act))).unwrap();
    let late = Rc::new(RefCell::new(None));
    *act.borrow_mut() = Some(Box::new({
        let (keyed, late) = (keyed.clone(), Rc::clone(&late));
        move || *late.borrow_mut() = Some(keyed.try_entry(Acting(1, Rc::default())))
    }));
    drop(guard);
    assert_eq!(keyed.lines(), 1);
    let late = late.take().expect("the destructor has run");
    assert!(late.is_ok(), "the old line is out of the way");
    drop(late);
    assert_eq!(keyed.lines(), 0);
}

#[test]
fn a_panic_in_a_section_releases_the_line() {
    let keyed = KeyedQueue::new("user");
    let section = std::panic::AssertUnwindSafe(|| {
        let _guard = keyed.try_entry(1).unwrap();
        panic!("the section failed");
    });
    assert!(std::panic::catch_unwind(section).is_err());
    assert_eq!(keyed.lines(), 0);
}

#[test]
fn stop_and_start_reach_all_lines_also_those_that_come_later() {
    let keyed = KeyedQueue::new("user");
    let mut old = spawn(keyed.entry(2));
    keyed.stop();
    let mut new = spawn(keyed.entry(1));
    assert!(old.poll().is_pending() && new.poll().is_pending());
    keyed.start();
    assert!(old.is_woken() && new.is_woken());
    drop((enter(&mut old), enter(&mut new)));
    assert!(keyed.try_entry(3).is_ok());
}

#[test]
fn a_waker_that_stops_again_keeps_the_other_lines_from_starting() {
    let keyed = KeyedQueue::new("user");
    keyed.stop();
    let (mut first, mut second) = (keyed.entry(1), spawn(keyed.entry(2)));
    let waker = acting({
        let keyed = keyed.clone();
        move || keyed.stop()
    });
    let polled = first.poll_unpin(&mut Context::from_waker(&waker));
    assert!(polled.is_pending() && second.poll().is_pending());
    keyed.start();
    assert!(!second.is_woken() && second.poll().is_pending());
    keyed.start();
    drop((enter(&mut second), block_on(first).unwrap()));
}

#[test]
fn closing_resolves_all_that_wait_in_the_order_of_the_keys_and_all_that_come() {
    let (keyed, trace) = (KeyedQueue::new("user"), Trace::default());
    let holder = keyed.try_entry(2).unwrap();
    let others = (keyed.try_entry(1).unwrap(), keyed.try_entry(3).unwrap());
    let mut entries: Vec<_> = [3, 1, 2].map(|key| (key, keyed.entry(key))).into();
    for (key, entry) in &mut entries {
        let (key, trace) = (*key, trace.clone());
        let waker = acting(move || trace.say(key.to_string()));
        assert!(
            entry
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    keyed.close_with("shutdown");
    keyed.close_with("too late");
    trace.expect(&["1", "2", "3"]);
    entries.push((4, keyed.entry(4)));
    for (_, entry) in entries {
        let reason = QueueError::ClosedWith("shutdown".into());
        assert_eq!(block_on(entry).unwrap_err(), reason);
    }
    assert_eq!(keyed.keys(), [1, 2, 3], "holders finish undisturbed");
    drop((holder, others));
    assert_eq!(keyed.lines(), 0);
}

#[test]
fn dropping_the_last_handle_closes_all_lines() {
    let keyed = KeyedQueue::new("user");
    let holder = keyed.try_entry(1).unwrap();
    let mut waiting = wait(&keyed, 1);
    let second = keyed.clone();
    drop(keyed);
    assert!(!waiting.is_woken());
    drop(second);
    assert!(waiting.is_woken());
    assert!(matches!(
        waiting.poll(),
        Poll::Ready(Err(QueueError::Closed))
    ));
    drop(holder);
}

#[test]
fn drain_waits_until_nobody_is_in_any_line() {
    let keyed = KeyedQueue::new("user");
    assert!(keyed.drain().now_or_never().is_some());
    let (first, second) = (keyed.try_entry(1).unwrap(), keyed.try_entry(2).unwrap());
    let kept = keyed.line(9);
    let mut drain = spawn(keyed.drain());
    assert!(drain.poll().is_pending());
    drop(second);
    let late = keyed.entry(3);
    drop(first);
    assert!(drain.is_woken() && drain.poll().is_pending());
    drop(late);
    assert!(drain.is_woken() && drain.poll().is_ready());
    drop(drain);
    assert_eq!(
        keyed.keys(),
        [9],
        "a line that is kept, and empty, is not waited for"
    );
    drop(kept);
}

#[test]
fn an_untriggered_guard_keeps_the_line_and_its_place() {
    let keyed = KeyedQueue::new("user");
    let guard = keyed.try_entry(1).unwrap();
    let guard = guard.untrigger().unwrap_err().0;
    keyed.stop();
    let mut entry = spawn(guard.untrigger().unwrap());
    let mut late = wait(&keyed, 1);
    keyed.start();
    assert!(!late.is_woken());
    drop(enter(&mut entry));
    drop(enter(&mut late));
    assert_eq!(keyed.lines(), 0);
}

/// What joins behind the back of the line must not run beside the next line of the key.
#[test]
fn the_queue_of_a_line_that_went_is_closed() {
    let keyed = KeyedQueue::new("user");
    let line = keyed.line(1);
    let holder = line.try_entry().unwrap();
    let (queue, entry) = (line.queue().clone(), line.queue().entry());
    drop(line);
    assert!(!queue.is_closed());
    drop(holder);
    assert!(queue.is_closed());
    assert!(block_on(entry).is_err());
}

#[test]
fn a_million_keys_used_once_leave_nothing_behind() {
    let keys: u32 = if cfg!(miri) { 200 } else { 1_000_000 };
    let keyed = KeyedQueue::new("user");
    drop(keyed.try_entry(0)); // the table keeps one small node
    let before = bytes_held();
    for key in 0..keys {
        drop(keyed.try_entry(key).unwrap());
    }
    assert_eq!((bytes_held() - before, keyed.lines()), (0, 0));

    let entries: Vec<_> = (0..keys / 10).map(|key| keyed.entry(key)).collect();
    assert_eq!(keyed.lines(), entries.len());
    drop(entries);
    assert_eq!((bytes_held() - before, keyed.lines()), (0, 0));
}

/// Every key against the plainest model of a line: who came first and has not left has the turn.
#[test]
fn random_histories_of_several_keys_do_what_the_model_does() {
    const KEYS: usize = 3;
    let steps = if cfg!(miri) { 300 } else { 20_000 };
    let mut random = fastrand::Rng::with_seed(15);
    let keyed = KeyedQueue::with_lines(TeventQueue::builder("user"));
    let mut model: [VecDeque<u32>; KEYS] = Default::default();
    let mut waiting: BTreeMap<u32, (usize, Task<usize>)> = BTreeMap::new();
    let mut holding: BTreeMap<u32, KeyedGuard<usize>> = BTreeMap::new();
    for id in 0..steps {
        let key = random.usize(..KEYS);
        let somebody = model[key].get(random.usize(..4)).copied();
        match (random.u32(..10), somebody) {
            (0..3, _) => {
                model[key].push_back(id);
                waiting.insert(id, (key, spawn(keyed.entry(key))));
            }
            (3, _) => {
                let found = keyed.try_entry(key);
                assert_eq!(found.is_ok(), model[key].is_empty());
                if let Ok(guard) = found {
                    model[key].push_back(id);
                    holding.insert(id, guard);
                }
            }
            (4..8, Some(one)) if waiting.contains_key(&one) => {
                let (_, task) = waiting.get_mut(&one).unwrap();
                let polled = task.poll();
                assert_eq!(polled.is_ready(), model[key].front() == Some(&one));
                if let Poll::Ready(guard) = polled {
                    waiting.remove(&one);
                    holding.insert(one, guard.unwrap());
                }
            }
            (_, Some(one)) => {
                model[key].retain(|other| *other != one);
                drop((waiting.remove(&one), holding.remove(&one)));
            }
            _ => {}
        }
        let busy = (0..KEYS).filter(|key| !model[*key].is_empty());
        assert_eq!(keyed.keys(), busy.collect::<Vec<_>>());
        assert_eq!(keyed.len(&key), model[key].len());
    }
}
