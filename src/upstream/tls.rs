//! TLS over a connection. In contrast to ureq's own, which leaves that to a later read, sending
//! fails when nothing goes out: what was not sent can be sent again.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::reach::remaining;

/// Puts TLS over connections for `https` URLs.
pub(super) struct Tls(pub(super) Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Sealed>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::Tls("a name that no certificate can have"))?;
        let mut connection = ClientConnection::new(self.0.clone(), name)?;
        // What is written is never more than a buffer of ours.
        connection.set_buffer_limit(None);
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(remaining(details));
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(told)?;
        }
        let config = details.config;
        Ok(Some(Either::B(Sealed {
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            connection,
            socket,
        })))
    }
}

/// A connection under TLS.
pub(super) struct Sealed {
    buffers: LazyBuffers,
    connection: ClientConnection,
    socket: TransportAdapter,
}

impl Sealed {
    /// Sends what TLS has to send.
    fn flush(&mut self) -> Result<(), Error> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl Transport for Sealed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.socket.set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.connection.writer().write_all(output)?;
        self.flush()
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.socket.set_timeout(timeout);
        loop {
            let input = self.buffers.input_append_buf();
            match self.connection.reader().read(input) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            self.connection.read_tls(&mut self.socket)?;
            self.connection.process_new_packets()?;
            self.flush()?;
        }
    }

    fn is_open(&mut self) -> bool {
        // What nobody has asked for would be taken for the next answer.
        let is_quiet = match self.connection.process_new_packets() {
            Ok(state) => state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed(),
            Err(_) => false,
        };
        let socket = self.socket.get_mut();
        is_quiet && socket.buffers().input().is_empty() && socket.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

/// What rustls has put into an error of the system's kind.
fn told(error: io::Error) -> Error {
    let told = error
        .get_ref()
        .and_then(|told| told.downcast_ref::<rustls::Error>());
    match told {
        Some(told) => told.clone().into(),
        None => error.into(),
    }
}
