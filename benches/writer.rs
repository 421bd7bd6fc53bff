//! Many tasks write whole records to one socket, each waiting for its own.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt};
use tevent::net::QueuedWriter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit, kilo_ops_per_second};
use crate::runtimes;

const TASKS: u64 = 64;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        write("writer, write, 64 B", 64, 256_000, 10.0),
        write("writer, write, 1 KiB", 1024, 256_000, 5.0),
        write("writer, write, 64 KiB", 65_536, 12_800, 1.0),
        send("writer, send, 64 B", 64, 768_000, 4096),
        send("writer, send, 1 KiB", 1024, 768_000, 1024),
        send("writer, send, 64 KiB", 65_536, 12_800, 64),
    ]
}

/// Every task waits until its record is with the kernel, then comes with the next.
fn write(name: &str, bytes: usize, records: u64, aim: f64) -> Row {
    let job = move |load: Load| Job::new(bytes, load.ops(records));
    let ours = Contestant::new("tevent write", move |load| {
        job(load).deliver(|job, stream| runtimes::tevent(tevent_write(job, stream))?)
    });
    Row::new(name, Unit::KiloOpsPerSecond, ours)
        .beside([
            Contestant::new("tokio Mutex", move |load| {
                job(load).deliver(|job, stream| runtimes::tokio(tokio_mutex(job, stream))?)
            }),
            Contestant::new("tokio mpsc + oneshot", move |load| {
                job(load).deliver(|job, stream| runtimes::tokio(tokio_answered(job, stream))?)
            }),
        ])
        .aims([Aim::Of("tokio Mutex", aim)])
        .note(
            "64 tasks on one connection over loopback; each waits until its record is with the kernel. tokio: \
             Mutex<OwnedWriteHalf>, one system call per record, where ours hands over all that wait in one; and with \
             the same batching, a channel to one task that copies all `recv_many` gives, writes that and answers each \
             by a oneshot. Counted until a draining thread has read the last byte and said so.",
        )
}

/// Every task waits until its record is accepted, then comes with the next. `channel` is how many records wait in a
/// peer's channel at most and go into one of its batches at most: of 64, 256, 1024 and 4096 the fastest for this size.
fn send(name: &str, bytes: usize, records: u64, channel: usize) -> Row {
    let job = move |load: Load| Job::new(bytes, load.ops(records));
    let ours = Contestant::new("tevent send", move |load| {
        job(load).deliver(|job, stream| runtimes::tevent(tevent_send(job, stream))?)
    });
    Row::new(name, Unit::KiloOpsPerSecond, ours)
        .beside([
            Contestant::new("tokio mpsc", move |load| {
                job(load).deliver(|job, stream| {
                    runtimes::tokio(tokio_channel(job, stream, channel, write_each))?
                })
            }),
            Contestant::new("tokio mpsc recv_many", move |load| {
                job(load).deliver(|job, stream| {
                    runtimes::tokio(tokio_channel(job, stream, channel, write_copied))?
                })
            }),
        ])
        .aims([Aim::OfFastest(0.95)])
        .pairs(11)
        .note(
            "64 tasks on one connection over loopback; each waits until its record is accepted. tokio: a channel \
             and one task that writes each, or copies all that `recv_many` gives into one buffer and writes that; \
             the channel holds as many records as is fastest for their size. Counted until a draining thread has \
             read the last byte and said so.",
        )
}

/// What is to be delivered: each task brings so many records, a tenth of them before the clock runs.
#[derive(Clone)]
struct Job {
    record: Bytes,
    per_task: u64,
}

impl Job {
    fn new(bytes: usize, records: u64) -> Self {
        Self {
            record: Bytes::from(vec![0x5a; bytes]),
            per_task: records / TASKS,
        }
    }

    fn warm_up(&self) -> u64 {
        self.per_task.div_ceil(10)
    }

    /// Runs the sender here and the receiver on a thread of its own, each on its core.
    fn deliver(&self, sender: impl FnOnce(Job, TcpStream) -> io::Result<f64>) -> io::Result<f64> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        for end in [&near, &far] {
            end.set_nodelay(true)?;
        }
        near.set_nonblocking(true)?;
        let bytes = |records: u64| records * TASKS * self.record.len() as u64;
        let stages = [bytes(self.warm_up()), bytes(self.per_task)];
        let cores = Cores::allowed()?;
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                cores.pin(1)?;
                drain(far, stages)
            });
            cores.pin(0)?;
            let figure = sender(self.clone(), near)?;
            match receiver.join() {
                Ok(drained) => drained.map(|()| figure),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Lets `round` deliver so many records per task, first to warm up, then to be counted.
    async fn timed(self, round: impl AsyncFn(u64) -> io::Result<()>) -> io::Result<f64> {
        round(self.warm_up()).await?;
        let start = Instant::now();
        round(self.per_task).await?;
        Ok(kilo_ops_per_second(self.per_task * TASKS, start.elapsed()))
    }
}

/// Reads to the end of each stage and says so with one byte.
fn drain(mut stream: TcpStream, stages: [u64; 2]) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    for stage in stages {
        let mut left = stage;
        while left > 0 {
            let read = stream.read(&mut buffer)? as u64;
            if read == 0 || read > left {
                return Err(io::Error::other(format!(
                    "{left} bytes were left, {read} came"
                )));
            }
            left -= read;
        }
        stream.write_all(&[1])?;
    }
    Ok(())
}

async fn tevent_write(job: Job, stream: TcpStream) -> io::Result<f64> {
    let stream = tevent::net::TcpStream::from_std(stream)?;
    let writer = QueuedWriter::new(stream.clone());
    let record = job.record.clone();
    let work = async |times| {
        let task = || {
            let (writer, record) = (writer.clone(), record.clone());
            async move {
                for _ in 0..times {
                    writer.write(record.clone()).await?;
                }
                io::Result::Ok(())
            }
        };
        for task in Vec::from_iter((0..TASKS).map(|_| tevent::spawn(task()))) {
            task.await?;
        }
        acknowledged(&stream).await
    };
    job.timed(work).await
}

async fn tevent_send(job: Job, stream: TcpStream) -> io::Result<f64> {
    let stream = tevent::net::TcpStream::from_std(stream)?;
    let writer = QueuedWriter::new(stream.clone());
    let record = job.record.clone();
    let work = async |times| {
        let task = || {
            let (writer, record) = (writer.clone(), record.clone());
            async move {
                for _ in 0..times {
                    writer.send(record.clone()).await?;
                }
                io::Result::Ok(())
            }
        };
        for task in Vec::from_iter((0..TASKS).map(|_| tevent::spawn(task()))) {
            task.await?;
        }
        writer.flush().await?;
        acknowledged(&stream).await
    };
    job.timed(work).await
}

async fn acknowledged(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    AsyncReadExt::read_exact(&mut stream, &mut [0]).await
}

async fn tokio_mutex(job: Job, stream: TcpStream) -> io::Result<f64> {
    let (acks, writer) = tokio::net::TcpStream::from_std(stream)?.into_split();
    let (acks, writer) = (Mutex::new(acks), Arc::new(Mutex::new(writer)));
    let record = job.record.clone();
    let work = async |times| {
        let task = || {
            let (writer, record) = (writer.clone(), record.clone());
            async move {
                for _ in 0..times {
                    writer.lock().await.write_all(&record).await?;
                }
                io::Result::Ok(())
            }
        };
        for task in Vec::from_iter((0..TASKS).map(|_| tokio::spawn(task()))) {
            task.await??;
        }
        acks.lock().await.read_exact(&mut [0]).await.map(drop)
    };
    job.timed(work).await
}

/// The batching that one would write by hand: each record comes with the oneshot that its task waits on.
async fn tokio_answered(job: Job, stream: TcpStream) -> io::Result<f64> {
    let (acks, writer) = tokio::net::TcpStream::from_std(stream)?.into_split();
    let acks = Mutex::new(acks);
    let (sender, receiver) = mpsc::channel(TASKS as usize);
    let writing = tokio::spawn(write_answered(receiver, writer));
    let record = job.record.clone();
    let work = async |times| {
        let task = || {
            let (sender, record) = (sender.clone(), record.clone());
            async move {
                for _ in 0..times {
                    let (answer, written) = oneshot::channel();
                    let handed_over = sender.send((record.clone(), answer)).await;
                    handed_over.map_err(io::Error::other)?;
                    written.await.map_err(io::Error::other)?;
                }
                io::Result::Ok(())
            }
        };
        for task in Vec::from_iter((0..TASKS).map(|_| tokio::spawn(task()))) {
            task.await??;
        }
        acks.lock().await.read_exact(&mut [0]).await.map(drop)
    };
    let figure = job.timed(work).await?;
    drop(sender);
    writing.await??;
    Ok(figure)
}

async fn write_answered(
    mut records: mpsc::Receiver<(Bytes, oneshot::Sender<()>)>,
    mut writer: OwnedWriteHalf,
) -> io::Result<()> {
    let (mut batch, mut buffer) = (Vec::new(), Vec::new());
    while records.recv_many(&mut batch, TASKS as usize).await > 0 {
        buffer.clear();
        for (record, _) in &batch {
            buffer.extend_from_slice(record);
        }
        writer.write_all(&buffer).await?;
        for (_, answer) in batch.drain(..) {
            // Its task waits for it, or is gone.
            let _ = answer.send(());
        }
    }
    Ok(())
}

async fn tokio_channel<F>(
    job: Job,
    stream: TcpStream,
    channel: usize,
    write: impl FnOnce(mpsc::Receiver<Bytes>, OwnedWriteHalf) -> F,
) -> io::Result<f64>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (acks, writer) = tokio::net::TcpStream::from_std(stream)?.into_split();
    let acks = Mutex::new(acks);
    let (sender, receiver) = mpsc::channel(channel);
    let writing = tokio::spawn(write(receiver, writer));
    let record = job.record.clone();
    let work = async |times| {
        let task = || {
            let (sender, record) = (sender.clone(), record.clone());
            async move {
                for _ in 0..times {
                    sender
                        .send(record.clone())
                        .await
                        .map_err(io::Error::other)?;
                }
                io::Result::Ok(())
            }
        };
        for task in Vec::from_iter((0..TASKS).map(|_| tokio::spawn(task()))) {
            task.await??;
        }
        acks.lock().await.read_exact(&mut [0]).await.map(drop)
    };
    let figure = job.timed(work).await?;
    drop(sender);
    writing.await??;
    Ok(figure)
}

async fn write_each(
    mut records: mpsc::Receiver<Bytes>,
    mut writer: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some(record) = records.recv().await {
        writer.write_all(&record).await?;
    }
    Ok(())
}

async fn write_copied(
    mut records: mpsc::Receiver<Bytes>,
    mut writer: OwnedWriteHalf,
) -> io::Result<()> {
    let channel = records.max_capacity();
    let mut batch = Vec::with_capacity(channel);
    let mut buffer = Vec::new();
    while records.recv_many(&mut batch, channel).await > 0 {
        buffer.clear();
        for record in batch.drain(..) {
            buffer.extend_from_slice(&record);
        }
        writer.write_all(&buffer).await?;
    }
    Ok(())
}
