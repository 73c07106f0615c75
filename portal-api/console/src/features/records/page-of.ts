/** The page of a record here, by its kind as the server names it. */
export function pageOf(entity: string): '/accounts/$id' | '/contacts/$id' {
  return entity === 'contact' ? '/contacts/$id' : '/accounts/$id';
}
