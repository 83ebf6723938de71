export interface DockerResolverOptions {
  /**
   * Where the Docker Engine listens: `unix:///var/run/docker.sock`, `tcp://host:2376`. Default: `DOCKER_HOST`, else that
   * socket.
   */
  readonly host?: string | undefined
  /**
   * Client certificate and authority for an engine on TCP. Default: the files of `DOCKER_CERT_PATH` when `DOCKER_TLS_VERIFY` is
   * set, else no TLS.
   */
  readonly tls?: DockerTls | undefined
  /**
   * Names of containers by key, or a function that gives the name for a key, undefined for an unknown one. Default: the container
   * whose label `proxy.key` is the key, or holds it in a list with commas.
   */
  readonly containers?: Readonly<Record<string, string>> | ((key: string) => string | undefined) | undefined
  /** Prefix of the labels `<prefix>.key` and `<prefix>.port`. Default `proxy`. */
  readonly labelPrefix?: string | undefined
  /**
   * Dial containers by their address on this network, which the gateway must be part of. Default: the published port, and where
   * there is none the address on the container's first network.
   */
  readonly network?: string | undefined
  /** How a container is put to sleep. Default `stop`; `pause` keeps its memory. */
  readonly sleep?: 'stop' | 'pause' | undefined
  /** How long a container may take to stop before it is killed, in milliseconds. Default: its own, which is 10,000 unless set. */
  readonly stopTimeoutMs?: number | undefined
}

/** PEM text. */
export interface DockerTls {
  readonly ca?: string | Buffer | undefined
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
}
