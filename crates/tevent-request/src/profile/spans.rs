//! Spans and events of the `tracing` crate, with the feature `tracing`.

use std::rc::Rc;

use tracing::{Level, Span, debug_span, event_enabled, field, span::EnteredSpan, trace};

use super::{FlowKind, FlowPoint};
use crate::{State, head::Label};

/// As long as it lives, events belong to a span.
pub(super) type InSpan = EnteredSpan;

/// The span of a request, if anybody collects it.
#[derive(Clone)]
pub(super) struct Traced(Option<Rc<Span>>);

impl Traced {
    pub(super) fn new(id: u64, label: &Label) -> Self {
        let span = debug_span!(
            target: "tevent::request",
            "request",
            name = %label.name,
            id,
            created = %label.created,
            state = field::Empty,
        );
        Self((!span.is_disabled()).then(|| Rc::new(span)))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Events belong to the request until the returned value is dropped.
    pub(super) fn enter(&self) -> Option<InSpan> {
        let span = self.0.as_deref()?;
        Some(span.clone().entered())
    }

    pub(super) fn end(&self, state: State) {
        if let Some(span) = &self.0 {
            span.record("state", field::debug(state));
        }
    }
}

/// A hook for [`on_flow`](crate::on_flow) that makes every moment an event of the `tracing` crate: target
/// `tevent::request`, level trace, fields `id`, `depth`, `name`, `place` and, with `cleanup`, `state`; the message is
/// `create`, `cancel`, `cleanup`, `notify`, `queue enter`, `queue trigger` or `queue leave`.
///
/// The spans need no hook: with the feature `tracing` each request has one, of level debug.
///
/// ```
/// use tevent_request::{on_flow, tracing_hook};
///
/// let _hook = on_flow(tracing_hook());
/// ```
pub fn tracing_hook() -> impl Fn(&FlowPoint<'_>) + 'static {
    |point| {
        // Nothing is written out for nobody.
        if !event_enabled!(target: "tevent::request", Level::TRACE) {
            return;
        }
        let (moment, state) = match point.kind {
            FlowKind::Create => ("create", None),
            FlowKind::Cancel => ("cancel", None),
            FlowKind::Cleanup(state) => ("cleanup", Some(field::debug(state))),
            FlowKind::Notify => ("notify", None),
            FlowKind::QueueEnter => ("queue enter", None),
            FlowKind::QueueTrigger => ("queue trigger", None),
            FlowKind::QueueLeave => ("queue leave", None),
        };
        trace!(
            target: "tevent::request",
            id = point.id,
            depth = point.depth,
            name = point.name,
            place = %point.place,
            state,
            "{moment}"
        );
    }
}
