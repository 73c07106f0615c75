import { useQuery } from '@tanstack/react-query';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { CheckBox } from '#/ui/check-box';
import { QueryView } from '#/ui/query-view';
import { allPermissions, byNoun, useAccessWords } from './permissions';
import { rolesQuery } from './queries';

type PickerProps = {
  label: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  /** What they have anyway, with why: it needs no choosing. */
  given?: (permission: string) => string | undefined;
  isDisabled?: boolean;
};

/** Permissions to choose from, by noun. Nobody gives what they do not have: that is shown, and cannot be chosen. */
export function PermissionPicker({ label, chosen, onChange, given, isDisabled }: PickerProps) {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const query = useQuery(rolesQuery);
  return (
    <QueryView query={query} loading={t('roles.loading')} skeletonRows={4}>
      {(roles) => (
        <div
          role="group"
          aria-label={label}
          className="flex flex-col divide-y divide-line rounded-control border border-line"
        >
          {byNoun(allPermissions(roles)).map(({ noun, permissions }) => (
            <div
              key={noun}
              role="group"
              aria-label={words.noun(noun)}
              className="grid grid-cols-[128px_minmax(0,1fr)] gap-x-4 px-3 py-2 max-sm:grid-cols-1"
            >
              <span aria-hidden className="pt-0.5 text-sm font-medium text-ink">
                {words.noun(noun)}
              </span>
              <div className="flex flex-wrap gap-x-6 gap-y-0.5">
                {permissions.map((permission) => {
                  const isChosen = chosen.includes(permission);
                  const lacks = !may(permission);
                  return (
                    <CheckBox
                      key={permission}
                      label={words.permission(permission)}
                      help={lacks ? t('access.not_yours') : given?.(permission)}
                      value={isChosen}
                      isDisabled={isDisabled || (lacks && !isChosen)}
                      onChange={(on) =>
                        onChange(on ? [...chosen, permission] : chosen.filter((one) => one !== permission))
                      }
                    />
                  );
                })}
              </div>
            </div>
          ))}
        </div>
      )}
    </QueryView>
  );
}
