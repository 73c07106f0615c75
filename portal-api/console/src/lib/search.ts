// Search parameters are what a person may type. What a page does not understand is named and undefined in its
// `validateSearch`: a key that is left out there would come through as it was typed.

/** A text or a number, or nothing. */
export function textParam(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((one) => one === value);
}

/** The parameters that are set: what goes into the address and to the server. */
export function compact<T extends object>(params: T): T {
  return Object.fromEntries(
    Object.entries(params).filter(([, value]) => value !== undefined && value !== ''),
  ) as T;
}

/** Whether the address narrows a list down, the order of its rows aside. */
export function isAnySet(params: object, aside = ''): boolean {
  return Object.entries(params).some(([key, value]) => key !== aside && value !== undefined);
}
