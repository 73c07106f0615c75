import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Brand, BrandBody } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { BrandSample } from './brand-sample';
import { ColourField } from './colour-field';
import { COLOURS, isColour } from './colours';

type FormProps = {
  brand: BrandBody;
  /** The logo's address, where there is one. */
  logo: string | null;
  save: (input: BrandBody) => Promise<Brand>;
  onSaved: (brand: Brand) => void;
  submit: string;
  mayEdit: boolean;
  isNew?: boolean;
  /** Beside the button. */
  children?: React.ReactNode;
};

/** A brand's name, where it is shown, and its colours with a sample of them. */
export function BrandForm({ brand, logo, save, onSaved, submit, mayEdit, isNew, children }: FormProps) {
  const t = useWords();
  // Only what is edited: what comes anew from the server shows through everywhere else.
  const [edits, setEdits] = useState<Partial<BrandBody>>({});
  const input = { ...bodyOf(brand), ...edits };
  const entry = useMutation({
    mutationFn: save,
    onSuccess: (saved) => {
      setEdits({});
      onSaved(saved);
    },
  });
  // Too little contrast is mended by either colour, and by the swatch too: a message that stayed would keep the form
  // from being sent.
  function edit(change: Partial<BrandBody>) {
    setEdits((old) => ({ ...old, ...change }));
    if (entry.error) entry.reset();
  }
  const problem = entry.error ? toProblem(entry.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        entry.mutate({ ...input, domain: input.domain?.trim() || null });
      }}
    >
      <Field
        label={t('brands.name')}
        name="name"
        maxLength={80}
        value={input.name}
        onChange={(name) => edit({ name })}
        isDisabled={!mayEdit}
        isRequired
      />
      <Field
        label={t('brands.domain')}
        help={t('brands.domain_help')}
        name="domain"
        inputMode="url"
        spellCheck="false"
        maxLength={253}
        value={input.domain ?? ''}
        onChange={(domain) => edit({ domain })}
        isDisabled={!mayEdit}
      />
      <div className="flex flex-col gap-1">
        <CheckBox
          label={t('brands.is_default')}
          value={input.is_default ?? false}
          onChange={(is_default) => edit({ is_default })}
          isDisabled={!mayEdit || brand.is_default}
        />
        {brand.is_default && <p className="text-xs text-ink-3">{t('brands.is_default_help')}</p>}
      </div>
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        {COLOURS.map((colour) => (
          <ColourField
            key={colour}
            label={t(`brand_colour.${colour}`)}
            pick={t('brands.pick', { colour: t(`brand_colour.${colour}`) })}
            name={colour}
            value={input[colour]}
            wrong={isColour(input[colour]) ? null : t('brands.no_colour')}
            onChange={(value) => edit({ [colour]: value })}
            isDisabled={!mayEdit}
          />
        ))}
      </div>
      <BrandSample brand={input} logo={logo} />
      {problem && <ErrorState compact error={problem} />}
      {mayEdit && (
        <div className="flex gap-2">
          <Button
            type="submit"
            look="primary"
            isPending={entry.isPending}
            isDisabled={!isNew && Object.keys(edits).length === 0}
          >
            {submit}
          </Button>
          {children}
        </div>
      )}
    </Form>
  );
}

/** What of a brand can be changed here. */
function bodyOf({
  name,
  domain,
  is_default,
  accent,
  on_accent,
  background,
  foreground,
}: BrandBody): BrandBody {
  return { name, domain, is_default, accent, on_accent, background, foreground };
}
