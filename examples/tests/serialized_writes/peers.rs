//! What each side does about another side that goes away, hangs, or lies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};
use xxhash_rust::xxh3::xxh3_64;

use super::job::{
    CLEAN, Done, MORE_THAN_BUFFERS, end, listener, noise, path, receiver, run, start, tree,
    with_one_file,
};

#[test]
fn a_receiver_that_goes_away_is_an_error_with_its_address() {
    let (_tree, file) = with_one_file(MORE_THAN_BUFFERS);
    for via in ["queue", "writer", "none"] {
        let (listener, address) = listener();
        let job = start(&["--via", via, "--to", &address, path(&file)]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 100_000]).unwrap();
        drop(stream);
        end(job).expect_error(1, &[&address, "went away"]);
    }
}

#[test]
fn a_receiver_that_does_not_answer_as_it_should_is_an_error_with_its_address() {
    let (_tree, file) = with_one_file(1);
    for answer in [&b""[..], b"HTTP/1.1 200 OK", &[0xf5; 1000]] {
        let (listener, address) = listener();
        let job = start(&["--to", &address, path(&file)]);
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
        end(job).expect_error(1, &[&address, "went away"]);
    }
}

/// The answer of a receiver that counted nothing at all: no records, no faults.
fn empty_answer() -> Vec<u8> {
    let body = [0; 48];
    let mut answer = vec![0xf5, b't', b'v', 1, 5, 0, 0, 0, 48, 0, 0, 0];
    answer.resize(32, 0); // sender, sequence and file
    answer.extend(xxh3_64(&body).to_le_bytes());
    answer.extend(xxh3_64(&answer).to_le_bytes());
    answer.extend(body);
    answer
}

#[test]
fn a_receiver_that_says_zeros_of_nothing_is_not_believed() {
    let (_tree, file) = with_one_file(7);
    let (listener, address) = listener();
    let job = start(&["--to", &address, "--senders", "1", path(&file)]);
    let (mut stream, _) = listener.accept().unwrap();
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    stream.write_all(&empty_answer()).unwrap();
    drop(stream);
    let counts = "0 of 1 files, 0 of 3 records, 0 of 7 bytes";
    end(job).expect_error(1, &[&address, "contradicts itself", counts]);
}

#[test]
fn a_receiver_that_neither_reads_nor_answers_is_given_up() {
    // The first waits for the answer, the others cannot go on sending.
    let (_small, small) = with_one_file(1);
    let (_large, large) = with_one_file(MORE_THAN_BUFFERS);
    for (via, file) in [("queue", &small), ("queue", &large), ("writer", &large)] {
        let (listener, address) = listener();
        let job = start(&[
            "--via",
            via,
            "--patience",
            "1",
            "--to",
            &address,
            path(file),
        ]);
        let _silent = listener.accept().unwrap();
        end(job).expect_error(1, &[&address, "does not answer", "1s"]);
    }
}

#[test]
fn a_sender_that_falls_silent_is_given_up() {
    let (receiver, address) = receiver(&["--patience", "1"]);
    let _silent = TcpStream::connect(address).unwrap();
    let done = end(receiver);
    done.expect(1, "0 torn, 1 lost, 0 out of order");
}

#[test]
fn nobody_who_listens_is_an_error_with_the_address() {
    let (_tree, file) = with_one_file(1);
    // A port that nobody else gets, and on which nobody listens.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let address = address.to_string();
    run(&["--to", &address, path(&file)]).expect_error(1, &[&address, "cannot connect"]);
}

/// What a receiver says of a connection that somebody else made.
fn receives(what: impl FnOnce(&mut TcpStream)) -> Done {
    let (receiver, address) = receiver(&[]);
    let mut stream = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
    what(&mut stream);
    drop(stream);
    end(receiver)
}

#[test]
fn a_receiver_survives_whatever_comes() {
    receives(|_| {}).expect(1, "0 torn, 1 lost, 0 out of order");
    let noise = noise(1_000_000);
    receives(|stream| stream.write_all(&noise).unwrap())
        .expect(1, "1 torn, 0 lost, 0 out of order");
    let magic = [0xf5, b't', b'v', 1].repeat(100_000);
    receives(|stream| stream.write_all(&magic).unwrap())
        .expect(1, "1 torn, 0 lost, 0 out of order");
}

#[test]
fn a_sender_that_breaks_off_is_counted() {
    let tree = tree();
    let (receiver, address) = receiver(&[]);
    // In the middle stands somebody who passes on the first 100 000 bytes.
    let (listener, middle) = listener();
    let job = start(&["--to", &middle, path(tree.path())]);
    let (mut from, _) = listener.accept().unwrap();
    let mut to = TcpStream::connect(address).unwrap();
    std::io::copy(&mut (&mut from).take(100_000), &mut to).unwrap();
    drop((from, to));
    end(job).expect_error(1, &[&middle]);
    let received = end(receiver);
    assert_eq!(received.status, Some(1));
    assert!(received.last_line().ends_with(", 0 out of order"));
    assert_ne!(received.last_line(), CLEAN);
}
