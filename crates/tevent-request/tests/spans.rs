//! Spans and events of `tracing`; with the feature of that name.
#![cfg(feature = "tracing")]

mod util;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use tevent_context::{sleep, spawn};
use tevent_request::{Request, RequestExt, carry, on_flow, tracing_hook};
use tracing::{Level, Metadata, field::Field, span, subscriber::with_default};
use util::{Rig, ms};

/// Keeps spans, with their fields and the span they were made in, and what happened.
#[derive(Clone)]
struct Collector {
    level: Level,
    state: Arc<Mutex<Collected>>,
}

#[derive(Default)]
struct Collected {
    spans: Vec<(String, Option<u64>)>,
    entered: Vec<u64>,
    events: Vec<(Option<u64>, String)>,
}

impl Collector {
    fn of(level: Level) -> Self {
        Self {
            level,
            state: Arc::default(),
        }
    }

    fn with<R>(&self, look: impl FnOnce(&mut Collected) -> R) -> R {
        look(&mut self.state.lock().expect("no panic"))
    }

    fn span(&self, id: usize) -> (String, Option<u64>) {
        self.with(|seen| seen.spans[id - 1].clone())
    }

    /// The messages so far, each after the number of the span it came from.
    fn events(&self) -> Vec<String> {
        self.with(|seen| {
            let events = seen.events.drain(..);
            let texts = events.map(|(span, text)| format!("{}: {text}", span.unwrap_or(0)));
            texts.collect()
        })
    }
}

fn text(write: impl FnOnce(&mut dyn tracing::field::Visit)) -> String {
    let mut text = String::new();
    write(&mut |field: &Field, value: &dyn Debug| {
        text += &format!("{}={value:?} ", field.name());
    });
    text
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tevent::request") && metadata.level() <= &self.level
            || metadata.target() == "test"
    }

    fn new_span(&self, new: &span::Attributes<'_>) -> span::Id {
        self.with(|seen| {
            let parent = seen.entered.last().copied();
            let name = new.metadata().name();
            let text = format!("{name} {}", text(|visit| new.record(visit)));
            seen.spans.push((text, parent));
            span::Id::from_u64(seen.spans.len() as u64)
        })
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let text = text(|visit| values.record(visit));
        self.with(|seen| seen.spans[id.into_u64() as usize - 1].0 += &text);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let text = text(|visit| event.record(visit));
        self.with(|seen| seen.events.push((seen.entered.last().copied(), text)));
    }

    fn enter(&self, id: &span::Id) {
        self.with(|seen| seen.entered.push(id.into_u64()));
    }

    fn exit(&self, id: &span::Id) {
        let left = self.with(|seen| seen.entered.pop());
        assert_eq!(left, Some(id.into_u64()), "spans are left in order");
    }
}

fn note(word: &str) {
    tracing::info!(target: "test", "{word}");
}

#[test]
fn a_span_is_entered_whenever_its_request_is_worked_for() {
    let rig = Rig::new();
    let collector = Collector::of(Level::DEBUG);
    with_default(collector.clone(), || {
        rig.context.block_on(async {
            let work = async {
                note("begins");
                sleep(ms(1)).await;
                note("goes on");
                let inner = async {
                    note("inside");
                    Err::<u32, _>("no".to_string())
                };
                assert!(inner.request("inner").await.is_err());
                let callback = carry(async { note("carried") });
                spawn(callback).await;
                Ok::<_, String>(1)
            };
            let outer = work.request("outer").on_cleanup(|_| note("cleanup"));
            let outer = outer.spawn();
            note("outside");
            assert_eq!(outer.await, Ok(1));
            note("after");
        });
    });
    let events = collector.events();
    let events: Vec<_> = events
        .iter()
        .map(|event| event.replace("message=", ""))
        .collect();
    let events: Vec<_> = events.iter().map(|event| event.trim_end()).collect();
    assert_eq!(
        events,
        [
            "0: outside",
            "1: begins",
            "1: goes on",
            "2: inside",
            "1: carried",
            "1: cleanup",
            "1: cleanup",
            "0: after"
        ]
    );
    assert!(collector.with(|seen| seen.entered.is_empty()));
}

#[test]
fn a_span_tells_the_name_the_number_the_line_and_the_end() {
    let collector = Collector::of(Level::DEBUG);
    let (id, line) = with_default(collector.clone(), || {
        let work = async { async { Err::<u32, _>(1) }.request("inner").await };
        let outer = work.request("outer");
        let told = (outer.id(), outer.created().line());
        assert!(block_on(outer).is_err());
        drop(Request::new("dropped", |_| async {
            Ok::<_, tevent_request::RequestError<()>>(())
        }));
        told
    });
    let (outer, parent) = collector.span(1);
    assert_eq!(parent, None);
    assert!(
        outer.starts_with(&format!("request name=outer id={id} created=")),
        "{outer}"
    );
    assert!(outer.contains(&format!("spans.rs:{line}:")), "{outer}");
    assert!(outer.ends_with(" state=UserError "), "{outer}");
    let (inner, parent) = collector.span(2);
    assert!(
        inner.starts_with(&format!("request name=inner id={id} ")),
        "{inner}"
    );
    assert_eq!((inner.matches("state=").count(), parent), (1, Some(1)));
    assert!(collector.span(3).0.ends_with(" state=Received "));
    assert_eq!(collector.events(), [""; 0], "no events without the hook");
}

#[test]
fn the_tracing_hook_makes_an_event_of_every_moment() {
    let collector = Collector::of(Level::TRACE);
    with_default(collector.clone(), || {
        let hook = on_flow(tracing_hook());
        let read = async { Ok::<_, String>(1) }.request("read");
        assert_eq!(block_on(read), Ok(1));
        drop(hook);
        drop(async { Ok::<_, String>(1) }.request("untold"));
    });
    let events = collector.events();
    assert_eq!(events.len(), 3);
    for (event, moment) in events.iter().zip(["create", "cleanup", "notify"]) {
        for part in [
            &format!("message={moment} "),
            "depth=1 ",
            "name=\"read\" ",
            "spans.rs:",
        ] {
            assert!(event.contains(part), "{event}");
        }
        assert_eq!(
            event.contains("state=Done "),
            moment == "cleanup",
            "{event}"
        );
    }
    assert!(events[0].starts_with("0: ") && events[1].starts_with("1: "));
}

#[test]
fn a_span_that_nobody_collects_is_none() {
    let collector = Collector::of(Level::INFO);
    with_default(collector.clone(), || {
        let _hook = on_flow(tracing_hook());
        assert_eq!(
            block_on(async { Ok::<_, String>(1) }.request("read")),
            Ok(1)
        );
    });
    collector.with(|seen| assert!(seen.spans.is_empty() && seen.events.is_empty()));
}
