import { StringDecoder } from 'node:string_decoder'

const LONGEST = 1_048_576

/** The values of a body that holds one JSON value in each line, cut into chunks anywhere. */
export async function* jsonStream<T>(body: AsyncIterable<Buffer>): AsyncGenerator<T> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LONGEST) throw new Error('a line is too long')
    for (const line of lines) {
      if (line.trim() !== '') yield JSON.parse(line) as T
    }
  }
}
