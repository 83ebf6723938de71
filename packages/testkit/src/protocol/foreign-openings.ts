const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const text = (value: string): Buffer => Buffer.from(value, 'latin1')

/** How clients of well-known protocols begin; what a port shared by detection gets to see. */
export const foreignOpenings: readonly Buffer[] = [
  text('GET / HTTP/1.1\r\nHost: alpha.example\r\n\r\n'),
  text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  text('CONNECT alpha.example:443 HTTP/1.1\r\n\r\n'),
  // PostgreSQL: StartupMessage 3.0, SSLRequest, GSSENCRequest, CancelRequest.
  hex('00000021 00030000 75736572 00 64656d6f 00 6461746162617365 00 616c706861 00 00'),
  hex('00000008 04d2162f'),
  hex('00000008 04d21630'),
  hex('00000010 04d2162e 00000001 00000002'),
  // TLS 1.2 record with the beginning of a ClientHello.
  hex(
    '16 0301 0034 01 000030 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 0002 1301 01 00',
  ),
  // MongoDB OP_MSG with { hello: 1, $db: "admin" }.
  hex(
    '2f000000 01000000 00000000 dd070000 00000000 00 1a000000 1068656c6c6f0001000000 022464620006000000 61646d696e00 00',
  ),
  text('*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n'),
  text('get alpha:1\r\n'),
  hex('80 00 0005 00 00 0000 00000005 00000000 0000000000000000 616c706861'),
  text('AMQP\u0000\u0000\u0009\u0001'),
  // MQTT CONNECT.
  hex('10 11 0004 4d515454 04 02 003c 0005 616c706861'),
  text('CONNECT {"user":"alpha"}\r\n'),
  text('EHLO alpha.example\r\n'),
  text('SSH-2.0-OpenSSH_9.6\r\n'),
  // Kafka ApiVersions v3.
  hex('00000013 0012 0003 00000001 0005 616c706861 00 02 61 02 31 00'),
  // LDAP bind.
  hex('30 0c 02 01 01 60 07 02 01 03 04 00 80 00'),
  hex('60 60 b0 17 0000 0404 0000 0304 0000 0204 0000 0104'),
  text('PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n'),
  hex('0d0a0d0a000d0a515549540a 21 11 000c c0000201 c0000202 9c40 0050'),
]
