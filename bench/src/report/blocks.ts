/**
 * Text with everything between the comments `<!-- bench: NAME -->` and `<!-- /bench -->` replaced. Throws when they are not there:
 * a figure that nobody renews is worse than none.
 */
export const withBlock = (text: string, name: string, content: string): string => {
  const begin = `<!-- bench: ${name} -->`
  const end = '<!-- /bench -->'
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`there is no block "${begin}" ... "${end}"`)
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`
}
