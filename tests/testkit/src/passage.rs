//! git over HTTP, passed on to the server that has the repository.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::git::{TOKEN_USER, base64};
use crate::http::read_line;
use crate::stub::{Reply, Request};

/// Longest wait for the git server behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Passes a request on to the server behind, as one who signs in there with a token.
pub(crate) fn pass_on(
    git_url: &str,
    token: Option<&str>,
    request: &Request,
) -> std::io::Result<Reply> {
    let address = git_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\n",
        request.method, request.target
    );
    for name in ["content-type", "accept", "content-encoding"] {
        if let Some(value) = request.header(name) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if let Some(token) = token {
        let pair = base64(format!("{TOKEN_USER}:{token}").as_bytes());
        head.push_str(&format!("Authorization: Basic {pair}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = BufReader::new(stream);
    let line = read_line(&mut answer)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut kind = String::new();
    loop {
        let line = read_line(&mut answer)?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-type")
        {
            kind = value.trim().to_owned();
        }
    }
    let mut body = Vec::new();
    answer.read_to_end(&mut body)?;
    Ok(Reply::untyped(status.unwrap_or(502), body).with_header("Content-Type", &kind))
}
