import { FieldError } from 'react-aria-components/FieldError';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { Radio, RadioGroup } from 'react-aria-components/RadioGroup';
import { TextField } from 'react-aria-components/TextField';
import type { Conflict } from '#/api/types';
import { useWords } from '#/lib/words';
import { Dot } from '#/ui/dot';
import { INPUT } from '#/ui/field';
import { Keys } from '#/ui/keys';
import { Value } from '#/ui/value';
import { CHOICES, type Choice } from './queries';
import './words';

type SidesProps = {
  conflict: Conflict;
  choice: Choice | null;
  onChoose: (choice: Choice) => void;
  /** It is decided, or others decide. */
  isLocked: boolean;
  own: Record<string, string>;
  onOwn: (name: string, text: string) => void;
};

/** Each side as a column that can be chosen, field under field. */
export function Sides({ conflict, choice, onChoose, isLocked, own, onOwn }: SidesProps) {
  const t = useWords();
  const open = conflict.state === 'open';
  const chosen = open ? choice : (CHOICES.find((one) => one === conflict.resolution?.choice) ?? null);
  const sides = [
    { id: 'core', label: t('conflicts.core'), keys: '1', value: (at: number) => conflict.fields[at]?.core },
    {
      id: 'remote',
      label: conflict.connection_name,
      keys: '2',
      value: (at: number) => conflict.fields[at]?.remote,
    },
    ...(conflict.kind === 'edit'
      ? [
          {
            id: 'base',
            label: t('conflicts.base'),
            keys: '3',
            value: (at: number) => conflict.fields[at]?.base,
          },
        ]
      : []),
  ] as const;
  return (
    <RadioGroup
      aria-label={t('conflicts.which')}
      value={chosen}
      onChange={(value) => onChoose(CHOICES.find((one) => one === value) ?? 'core')}
      isReadOnly={isLocked}
      className="flex flex-col gap-3"
    >
      <div className={`grid gap-3 max-md:grid-cols-1 ${sides.length === 3 ? 'grid-cols-3' : 'grid-cols-2'}`}>
        {sides.map((side) => (
          <Radio
            key={side.id}
            value={side.id}
            className="group flex flex-col gap-2 rounded-menu border border-edge bg-surface p-3 hover:bg-hover focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-focus selected:border-accent selected:bg-accent-soft readonly:hover:bg-surface"
          >
            <span className="flex items-center gap-2 text-sm font-medium text-ink">
              <Dot />
              <span className="min-w-0 flex-1 truncate">{side.label}</span>
              {!isLocked && <Keys value={side.keys} />}
            </span>
            {conflict.fields.map((field, at) => (
              <span key={field.name} className="flex flex-col">
                <span className="text-xs text-ink-2">{field.label}</span>
                <span className="text-sm text-ink">
                  <Value whole value={side.value(at)} />
                </span>
              </span>
            ))}
          </Radio>
        ))}
      </div>
      {!isLocked && conflict.kind === 'edit' && (
        <div className="flex flex-col gap-2">
          <Radio
            value="value"
            className="group flex min-h-8 items-center gap-2 self-start rounded-tag text-sm text-ink focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-focus touch"
          >
            <Dot /> {t('conflicts.other')} <Keys value="E" />
          </Radio>
          {choice === 'value' && (
            <div data-own className="grid grid-cols-2 gap-3 pl-6 max-md:grid-cols-1">
              {conflict.fields.map((field) => (
                <TextField
                  key={field.name}
                  name={field.name}
                  value={own[field.name] ?? ''}
                  onChange={(text) => onOwn(field.name, text)}
                  className="flex flex-col gap-1"
                >
                  <Label className="text-xs font-medium text-ink-2">{field.label}</Label>
                  <Input className={`${INPUT} h-8`} />
                  <FieldError className="text-xs text-bad-ink" />
                </TextField>
              ))}
            </div>
          )}
        </div>
      )}
    </RadioGroup>
  );
}
