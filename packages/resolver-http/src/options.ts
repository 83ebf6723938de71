/** Options of `httpResolver()`. */
export interface HttpResolverOptions {
  /**
   * Where to ask. `{key}`, `{protocol}` and `{listener}` in it stand for those of the request; where there is no `{key}`,
   * `key` and `protocol` are added to the query.
   */
  readonly url: string
  /** Sent as `Authorization: Bearer ...`. */
  readonly token?: string | undefined
  /** An answer that takes longer is a timeout. Default 5,000 ms. */
  readonly timeoutMs?: number | undefined
  /** Connections to the control plane. Default 16. */
  readonly connections?: number | undefined
  /** For how long an answer counts that says nothing of that itself. Default 10,000 ms. */
  readonly ttlMs?: number | undefined
  /** The same for an answer that there is no such tenant, or that it is forbidden. Default 1,000 ms. */
  readonly negativeTtlMs?: number | undefined
  /** Answers that are remembered. Default 10,000. */
  readonly maxEntries?: number | undefined
  /** Where a POST starts a backend that is asleep; `{id}` stands for its id. Default: nothing can be started. */
  readonly wakeUrl?: string | undefined
  /** Where a POST says that nobody uses a backend any longer; `{id}` stands for its id. Default: nobody is told. */
  readonly sleepUrl?: string | undefined
}
