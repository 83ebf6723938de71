import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import type { Certificate } from '../certificate.ts'
import { nginxStreamModule } from '../install.ts'
import type { Address, Subject } from '../subject.ts'
import { startServer } from './server.ts'
import { programVersion } from './version.ts'

const stream = (port: number, backend: Address): string => `stream {
  server {
    listen 127.0.0.1:${port} backlog=65535;
    proxy_pass ${backend.host}:${backend.port};
    proxy_timeout 1h;
  }
}`

const secured = (certificate: Certificate | undefined): string =>
  certificate === undefined
    ? ''
    : `
    ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;`

/** Buffers hold the largest response, so that nothing touches the disk; backend connections are kept. */
const http = (port: number, backend: Address, options = '', certificate?: Certificate): string => `http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  proxy_buffer_size 16k;
  proxy_buffers 8 16k;
  proxy_max_temp_file_size 0;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream backend {
    server ${backend.host}:${backend.port};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port}${options} backlog=65535${certificate === undefined ? '' : ' ssl'};${secured(certificate)}
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}`

type Mode = 'tcp' | 'http' | 'https' | 'h2c' | 'h2'

const isSecured = (mode: Mode): boolean => mode === 'https' || mode === 'h2'

const serverOf = (mode: Mode, bench: Bench, port: number, backend: Address): string =>
  mode === 'tcp'
    ? stream(port, backend)
    : http(port, backend, mode.startsWith('h2') ? ' http2' : '', isSecured(mode) ? bench.certificate : undefined)

/** One worker. */
const configuration = (mode: Mode, bench: Bench, port: number, backend: Address): string => {
  const module = mode === 'tcp' ? nginxStreamModule() : undefined
  return `${module === undefined ? '' : `load_module ${module};`}
daemon off;
worker_processes 1;
error_log error.log;
pid nginx.pid;
events { worker_connections ${bench.connectionLimit * 2}; }
${serverOf(mode, bench, port, backend)}
`
}

export const nginx = (mode: Mode): Subject => ({
  name: 'nginx',
  version: async () => programVersion('nginx', '-v'),
  start: (bench: Bench, backend: Address) =>
    startServer(bench, 'nginx', (folder, port) => {
      mkdirSync(join(folder, 'logs'))
      writeFileSync(join(folder, 'nginx.conf'), configuration(mode, bench, port, backend))
      return ['nginx', '-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')]
    }),
})
