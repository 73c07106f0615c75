/** Leaves the console for another page. An object, so that a test can look where to. */
export const away = {
  to(url: string): void {
    location.assign(url);
  },
};
