//! A client with a pool of connections, as somebody writes it who knows the docs alone.

mod util;

use std::cell::Cell;
use std::rc::Rc;

use tevent_context::{sleep, yield_now};
use tevent_queue::TeventQueue;
use tevent_request::{CancelToken, Request, RequestError, RequestScope};
use util::{Rig, ms};

/// The server's side of things: counts who talks to it.
#[derive(Default)]
struct Server {
    talking: Cell<u32>,
    most: Cell<u32>,
    broken: Cell<u32>,
}

/// A connection in use: broken if it is dropped in the middle of an answer.
struct Talk(Rc<Server>, bool);

impl Talk {
    fn begin(server: &Rc<Server>) -> Self {
        server.talking.set(server.talking.get() + 1);
        server.most.set(server.most.get().max(server.talking.get()));
        Self(server.clone(), false)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.0.talking.set(self.0.talking.get() - 1);
        self.0.broken.set(self.0.broken.get() + u32::from(!self.1));
    }
}

#[derive(Debug, PartialEq)]
enum ClientError {
    Refused,
    Closed,
}

#[derive(Clone)]
struct Client {
    pool: TeventQueue,
    server: Rc<Server>,
}

impl Client {
    fn new(connections: usize) -> Self {
        Self {
            pool: TeventQueue::builder("pool").permits(connections).build(),
            server: Rc::default(),
        }
    }

    /// Waits for a connection, talks for so long, and answers with the number of milliseconds.
    fn get(&self, millis: u64) -> Request<u64, ClientError> {
        let Self { pool, server } = self.clone();
        Request::new("get", move |token: CancelToken| async move {
            let Some(turn) = token.unless(pool.entry()).await else {
                return Err(RequestError::Cancelled);
            };
            let _connection = turn.map_err(|_| ClientError::Closed)?;
            let mut talk = Talk::begin(&server);
            if token.unless(sleep(ms(millis))).await.is_none() {
                sleep(ms(1)).await; // tells the server
                talk.1 = true;
                return Err(RequestError::Cancelled);
            }
            talk.1 = true;
            match millis {
                13 => Err(ClientError::Refused)?,
                _ => Ok(millis),
            }
        })
        .boxed()
    }
}

#[test]
fn a_pool_serves_in_order_and_shuts_down() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let client = Client::new(2);
        let clients = RequestScope::new("clients");
        let get = |name: &'static str, millis: u64, timeout: u64| {
            let trace = trace.clone();
            let request = client.get(millis).timeout(ms(timeout));
            clients.spawn(request.on_end(move |state| trace.say(format!("{name} {state:?}"))))
        };
        let mut gets = vec![
            get("a", 5, 100),
            get("b", 13, 100),
            get("waits too long", 1, 4),
            get("c", 1, 100),
            get("talks too long", 50, 20),
        ];
        // Cancelled in all states: not begun, in the line, in the middle of an answer, over.
        let fresh = get("fresh", 1, 100);
        assert!(fresh.cancel());
        assert_eq!(fresh.await, Err(RequestError::Cancelled));
        let waits = get("waits", 1, 100);
        yield_now().await;
        assert!(waits.cancel());
        assert_eq!(waits.await, Err(RequestError::Cancelled));
        sleep(ms(4)).await;
        assert!(gets[0].cancel());
        assert!(gets[0].cancel(), "twice is the same as once");
        assert_eq!((&mut gets[0]).await, Err(RequestError::Cancelled));
        assert!(!gets[0].cancel());
        let b = gets.remove(1);
        assert_eq!(b.await, Err(RequestError::User(ClientError::Refused)));
        sleep(ms(10)).await;

        // A shutdown: one drains, one is asked and gives in, so does who got the first one's connection.
        get("drains", 3, 100);
        get("is asked", 50, 100);
        get("is served next", 50, 100);
        let report = clients.shutdown(ms(10), ms(10)).await;
        assert_eq!(report.to_string(), "1 drained, 2 cancelled");
        assert!(client.pool.is_empty());
        assert_eq!(
            (client.server.most.get(), client.server.talking.get()),
            (2, 0)
        );
        assert_eq!(
            client.server.broken.get(),
            1,
            "who talked too long was cut off"
        );
        let late = client.get(1);
        client.pool.close();
        assert_eq!(late.await, Err(RequestError::User(ClientError::Closed)));
    });
    trace.expect(&[
        "0: fresh Cancelled",
        "0: waits Cancelled",
        "4: waits too long TimedOut",
        "5: a Cancelled",
        "6: c Done",
        "13: b UserError",
        "20: talks too long TimedOut",
        "26: drains Done",
        "34: is asked Cancelled",
        "34: is served next Cancelled",
    ]);
}
