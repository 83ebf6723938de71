const longestValue = 2_048

/** A URL with values put in; undefined when one of them cannot be part of a URL. */
export function filled(template: string, values: Readonly<Record<string, string>>): string | undefined {
  if (!Object.values(values).every(isPlain)) return undefined
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? encodeURIComponent(values[name] as string) : whole,
  )
}

/** Where the control plane is asked for a key. */
export const withKey = (url: string): string =>
  url.includes('{key}') ? url : `${url}${url.includes('?') ? '&' : '?'}key={key}&protocol={protocol}`

/** A path that goes up is the path of something else, and half a character is none. */
const isPlain = (value: string): boolean =>
  value !== '' && value !== '.' && value !== '..' && value.length <= longestValue && value.isWellFormed()
