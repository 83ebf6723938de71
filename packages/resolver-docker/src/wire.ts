/** What is read of the answers of the Docker Engine API. */
export interface ContainerSummary {
  readonly Id: string
  readonly Names: readonly string[]
  readonly Labels?: Readonly<Record<string, string>> | null
}

export interface ContainerDetails {
  readonly Id: string
  readonly Name: string
  readonly State: ContainerState
  readonly Config: {
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly ExposedPorts?: Readonly<Record<string, object>> | null
  }
  readonly HostConfig?: { readonly NetworkMode?: string } | null
  readonly NetworkSettings: {
    readonly Ports?: Readonly<Record<string, readonly PortBinding[] | null>> | null
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string; readonly GlobalIPv6Address?: string }>>
  }
}

export interface ContainerState {
  readonly Status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'
  readonly ExitCode?: number
  readonly Error?: string
  /** Only where the image or the container has a HEALTHCHECK. */
  readonly Health?: { readonly Status: 'none' | 'starting' | 'healthy' | 'unhealthy' } | null
}

export interface PortBinding {
  readonly HostIp: string
  readonly HostPort: string
}

export interface ContainerEvent {
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> }
}
