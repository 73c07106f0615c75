/** Small choices of the viewer that this browser keeps; without storage they last as long as the page. */
export function kept<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
  try {
    const found = localStorage.getItem(`syncline.${name}`);
    return allowed.find((value) => value === found) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name: string, value: string) {
  try {
    localStorage.setItem(`syncline.${name}`, value);
  } catch {
    // Storage is off: the choice holds until the page is left.
  }
}
