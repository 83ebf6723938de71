import { type Greeting, mintScramble } from './greeting.ts'
import type { LoginPacket } from './login.ts'
import type { ClientEnd } from './packets.ts'
import { isProofPlugin, nativePlugin, proofBytes, type ProofPlugin, sha2Plugin } from './proofs.ts'
import { encodeAuthSwitch, okPayload, replies } from './wire.ts'

/** A client's answer to a scramble of the gateway's. */
export interface ClientProof {
  readonly plugin: ProofPlugin
  readonly response: Buffer
  readonly scramble: Buffer
}

const fastAuthOk: Buffer = Buffer.of(replies.moreData, 3)

/** The proof in the login; or, where that holds none which can be checked, the answer to another question. */
export async function takeProof(client: ClientEnd, login: LoginPacket, greeting: Greeting): Promise<ClientProof> {
  const plugin = login.plugin === '' ? greeting.plugin : login.plugin
  if (isProofPlugin(plugin) && isProof(plugin, login.response, greeting.plugin)) {
    return { plugin, response: Buffer.from(login.response), scramble: greeting.scramble }
  }
  const asked = plugin === sha2Plugin ? sha2Plugin : nativePlugin
  const scramble = mintScramble()
  await client.write(encodeAuthSwitch(asked, scramble))
  return { plugin: asked, response: Buffer.from(await client.read()), scramble }
}

/** A client that prefers another plugin than the greeting's sends no proof at all, which says nothing of its password. */
function isProof(plugin: ProofPlugin, response: Buffer, greeted: string): boolean {
  return response.length === proofBytes[plugin] || (plugin === greeted && response.length <= 1)
}

/** What goes before the OK: clients of caching_sha2_password wait for a word about their proof. */
export async function prepare(client: ClientEnd, proof: ClientProof): Promise<void> {
  if (proof.plugin === sha2Plugin && proof.response.length > 1) await client.write(fastAuthOk)
}

/** Lets the client in. */
export async function welcome(client: ClientEnd, proof: ClientProof): Promise<void> {
  await prepare(client, proof)
  await client.write(okPayload)
}
