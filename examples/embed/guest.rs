//! What lives in a context inside another loop: a timer, a task that another thread wakes, a socket that is served.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::try_join3;
use futures::{AsyncReadExt, AsyncWriteExt};
use tevent::net::TcpListener;
use tevent::{Context, Task, interval};

/// Starts all three. Who runs the context's loop until the task has finished has served them.
pub(crate) fn start(context: &Context) -> Task<io::Result<()>> {
    context.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, receiver) = oneshot::channel();
        let outside = thread::spawn(move || sender.send(call(address)));
        try_join3(ticks(), serve(listener), hear(receiver)).await?;
        outside
            .join()
            .expect("it does not panic")
            .expect("this task listens");
        Ok(())
    })
}

async fn ticks() -> io::Result<()> {
    let mut ticks = interval(Duration::from_millis(5));
    for number in 1..=3 {
        ticks.tick().await;
        println!("timer: tick {number}");
    }
    Ok(())
}

/// Sends back what one client has to say, while that one waits: so there is our thread, and the client's.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let (mut client, _) = listener.accept().await?;
    let mut text = [0; 4];
    client.read_exact(&mut text).await?;
    println!("socket: {}", String::from_utf8_lossy(&text));
    if let Ok(threads) = fs::read_dir("/proc/self/task") {
        println!("threads: {}", threads.count());
    }
    client.write_all(&text).await
}

/// Another thread wakes this task.
async fn hear(outside: oneshot::Receiver<io::Result<String>>) -> io::Result<()> {
    let answer = outside.await.map_err(io::Error::other)??;
    println!("other thread: I was answered {answer:?}");
    Ok(())
}

/// The outside: a client on a thread of its own, which knows no loop.
fn call(address: SocketAddr) -> io::Result<String> {
    let mut server = std::net::TcpStream::connect(address)?;
    server.write_all(b"ping")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}
