import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Schedule } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';

/** What a person says about a schedule. */
export type ScheduleInput = Pick<
  Schedule,
  'name' | 'connection_id' | 'stream' | 'cron' | 'time_zone' | 'overlap' | 'catch_up' | 'paused'
>;

type ScheduleFormProps = {
  /** What stands in the form at first. */
  schedule: ScheduleInput;
  /** What it may start; not given for one that exists, which keeps what it starts. */
  target?: {
    connections: readonly { id: string; name: string }[];
    /** The streams of the chosen connection. */
    streams: readonly string[];
    onConnection: (id: string) => void;
  };
  save: (input: ScheduleInput) => Promise<Schedule>;
  submit: string;
};

const PRESETS = [
  { word: 'cron.every_5', cron: '*/5 * * * *' },
  { word: 'cron.every_15', cron: '*/15 * * * *' },
  { word: 'cron.hourly', cron: '0 * * * *' },
  { word: 'cron.daily', cron: '0 6 * * *' },
  { word: 'cron.weekdays', cron: '0 6 * * 1-5' },
] as const;
const CUSTOM = 'custom';

export function ScheduleForm({ schedule, target, save, submit }: ScheduleFormProps) {
  const t = useWords();
  const [input, setInput] = useState(schedule);
  const set = (change: Partial<ScheduleInput>) => setInput((old) => ({ ...old, ...change }));
  const entry = useMutation({ mutationFn: save });
  const problem = entry.error ? toProblem(entry.error) : null;
  const zones = useZones(input.time_zone);
  const preset = PRESETS.find((one) => one.cron === input.cron)?.cron ?? CUSTOM;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        entry.mutate(input);
      }}
    >
      <Field
        label={t('schedules.name')}
        name="name"
        value={input.name}
        onChange={(name) => set({ name })}
        isRequired
      />
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        {target && (
          <>
            <Select
              label={t('schedules.connection')}
              name="connection_id"
              value={input.connection_id ?? null}
              onChange={(id) => {
                set({ connection_id: id, stream: null });
                target.onConnection(id);
              }}
              choices={target.connections.map((one) => ({ value: one.id, label: one.name }))}
              isRequired
            />
            <Select
              label={t('schedules.stream')}
              name="stream"
              value={input.stream ?? null}
              onChange={(stream) => set({ stream })}
              choices={target.streams.map((stream) => ({ value: stream, label: stream }))}
              isDisabled={target.streams.length === 0}
              isRequired
            />
          </>
        )}
        <Select
          label={t('schedules.how_often')}
          value={preset}
          onChange={(cron) => cron !== CUSTOM && set({ cron })}
          choices={[
            ...PRESETS.map(({ word, cron }) => ({ value: cron, label: t(word) })),
            { value: CUSTOM, label: t('cron.custom') },
          ]}
        />
        <Field
          label={t('schedules.cron')}
          help={t('schedules.cron_help')}
          name="cron"
          mono
          value={input.cron}
          onChange={(cron) => set({ cron })}
          isRequired
        />
        <Select
          label={t('schedules.zone')}
          name="time_zone"
          value={input.time_zone}
          onChange={(time_zone) => set({ time_zone })}
          choices={zones.map((zone) => ({ value: zone, label: zone }))}
          isRequired
        />
      </div>
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Select
          label={t('schedules.overlap')}
          help={t(`overlap_help.${input.overlap}`)}
          value={input.overlap}
          onChange={(overlap) => set({ overlap: overlap === 'queue' ? 'queue' : 'skip' })}
          choices={[
            { value: 'skip', label: t('overlap.skip') },
            { value: 'queue', label: t('overlap.queue') },
          ]}
        />
        <Select
          label={t('schedules.catch_up')}
          help={t(`catch_up_help.${input.catch_up}`)}
          value={input.catch_up}
          onChange={(catchUp) => set({ catch_up: catchUp === 'one' ? 'one' : 'none' })}
          choices={[
            { value: 'none', label: t('catch_up.none') },
            { value: 'one', label: t('catch_up.one') },
          ]}
        />
      </div>
      <CheckBox label={t('schedules.pause')} value={input.paused} onChange={(paused) => set({ paused })} />
      {problem && <ErrorState compact error={problem} />}
      <div>
        <Button type="submit" look="primary" isPending={entry.isPending}>
          {submit}
        </Button>
      </div>
    </Form>
  );
}

/** Every zone the browser knows, and the schedule's own in case it does not. */
function useZones(own: string): string[] {
  const [zones] = useState(() => Intl.supportedValuesOf('timeZone'));
  return [...new Set([own, 'UTC', ...zones])];
}
