import { useId } from 'react';
import { Field } from '#/ui/field';
import { isColour } from './colours';

type Props = {
  label: string;
  /** On the swatch, which opens the browser's own choice of colours. */
  pick: string;
  name: string;
  value: string;
  wrong: string | null;
  onChange: (colour: string) => void;
  isDisabled: boolean;
};

/** A colour, chosen or written. */
export function ColourField({ label, pick, name, value, wrong, onChange, isDisabled }: Props) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <div className="pt-5">
        <input
          id={id}
          type="color"
          aria-label={pick}
          value={isColour(value) ? value.toLowerCase() : '#000000'}
          onChange={(event) => onChange(event.target.value)}
          disabled={isDisabled}
          className="block size-8 cursor-pointer rounded-control border border-edge bg-surface p-0.5 focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-focus disabled:cursor-default disabled:border-line pointer-coarse:size-11"
        />
      </div>
      <div className="min-w-0 flex-1">
        <Field
          label={label}
          name={name}
          mono
          maxLength={7}
          spellCheck="false"
          autoComplete="off"
          value={value}
          onChange={(text) => onChange(text.trim())}
          validate={() => wrong}
          isDisabled={isDisabled}
          isRequired
        />
      </div>
    </div>
  );
}
