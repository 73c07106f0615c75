import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';

/** How long the line may be gone before the console says so and asks by itself instead. */
const PATIENCE = 15_000;
/** Many rows of one page change at once; one look at the server is enough for them. */
const GATHER = 300;

/** Which lists and records a topic makes stale, by the first part of their query keys. */
const STALE: Record<string, readonly string[]> = {
  run: ['runs', 'overview'],
  lane: ['runs'],
  connection: ['connections', 'overview'],
  stream: ['connections', 'overview'],
  account: ['accounts', 'conflicts'],
  contact: ['contacts', 'conflicts'],
  conflict: ['conflicts', 'accounts', 'contacts', 'overview'],
  match: ['matches'],
  mapping: ['mappings'],
  schedule: ['schedules'],
  overview: ['overview'],
  user: ['users', 'groups', 'teams', 'partners'],
};

type Line = { lost: boolean; since: number };

let line: Line = { lost: false, since: Date.now() };
const listeners = new Set<() => void>();

function setLine(lost: boolean, since = Date.now()) {
  if (line.lost === lost) return;
  line = { lost, since };
  for (const tell of listeners) tell();
}

/** Whether live changes arrive; while they do not, the lists ask every few seconds. */
export function useLine(): Line {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => line,
  );
}

/** For `refetchInterval`: `calm` while changes are pushed to us, `lost` while they are not. */
export function pollEvery(calm: number | false, lost: number | false): () => number | false {
  return () => (line.lost ? lost : calm);
}

/** Opens the tab's one line for live changes and returns what closes it. */
export function listen(client: QueryClient): () => void {
  const stale = new Set<string>();
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let patience: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource;

  function flush() {
    gathering = undefined;
    for (const key of stale) void client.invalidateQueries({ queryKey: [key] });
    stale.clear();
  }

  function changed(message: MessageEvent<string>) {
    const topic = topicOf(message.data);
    for (const key of STALE[topic] ?? []) stale.add(key);
    gathering ??= setTimeout(flush, GATHER);
  }

  function open() {
    source = new EventSource('/api/v1/events');
    source.addEventListener('changed', changed);
    source.addEventListener('open', () => {
      clearTimeout(patience);
      patience = undefined;
      if (line.lost) void client.invalidateQueries();
      setLine(false);
    });
    source.addEventListener('error', () => {
      const since = Date.now();
      patience ??= setTimeout(() => setLine(true, since), PATIENCE);
      // The browser retries by itself unless the server refused; then we do.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, PATIENCE);
    });
  }

  open();
  return () => {
    for (const timer of [gathering, patience, again]) clearTimeout(timer);
    source.close();
    setLine(false);
  };
}

function topicOf(data: string): string {
  try {
    const parsed: unknown = JSON.parse(data);
    if (typeof parsed === 'object' && parsed !== null && 'topic' in parsed) return String(parsed.topic);
  } catch {
    // A message we cannot read tells nothing; the lists stay as they are.
  }
  return '';
}
